#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "container/writer.h"
#include "dialect/dialect.h"

namespace requant {

// What a weight file of the result is laid out by.
struct FileRequest {
  const Json& config;    // as the result would have it
  const Source& source;  // of the weights
  // All tensors of the result: names, dtypes, shapes, and the encodings of blocks.
  std::span<const TensorInfo> tensors;
  // What the file is to say that its tensors are, as its readers number it; nothing: the writer
  // tells by the tensors.
  std::optional<std::uint32_t> file_type = {};
  // A text file beside the weights; nothing where it is not there.
  std::function<Result<std::optional<std::string>>(std::string_view name)> read;
};

// The one weight file of a dialect whose readers take no safetensors. It says what config.json and
// the tokenizer's files say, so the result has none.
struct WeightFile {
  std::string_view name;  // "model.gguf"
  // Where each tensor of the request lies, in that order.
  Result<FileLayout> (*layout)(const FileRequest&) = nullptr;
  // The float in which its readers want an unquantised tensor; nothing: any.
  std::optional<DType> (*stored_dtype)(const DenseTensor&) = nullptr;
};

// nullptr: the dialect's weights are safetensors.
const WeightFile* weight_file_of(const Dialect& dialect);

}  // namespace requant
