#pragma once

#include <string>

#include "base/json.h"
#include "base/result.h"
#include "container/container.h"

namespace requant {

// A GGUF checkpoint with the names and the config.json that its family has outside llama.cpp.
struct GgufModel {
  Source source;
  Json config;
  // Why names and keys are still llama.cpp's (gguf_config); empty: they are not.
  std::string reason;
};

// Tensors get other names, rows of q and k their other order (by strides: nothing is read), and the
// experts of a layer a tensor each, which is a part of the one that is stored. kCorrupt for sizes
// that heads or experts do not divide.
Result<GgufModel> named_as_family(Source source);

// Row 2 i + p of each of `heads` in the file is row p x half + i of the tensor, whose rows lie from
// tensor.offset on: sets its strides.
Result<void> pair_rows(std::int64_t heads, TensorInfo& tensor);

}  // namespace requant
