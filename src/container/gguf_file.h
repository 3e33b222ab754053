#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "container/writer.h"

// Making GGUF files: their keys, byte for byte, and where tensors lie.
namespace requant {

// The keys of a GGUF file in their order, each value as the bytes that a file has.
class GgufKeyBytes {
 public:
  // Those of a file, as they lie there.
  static Result<GgufKeyBytes> read(const File& file);

  // Replaces the value in its place, or appends the key.
  void set_u32(std::string_view key, std::uint32_t value);
  void set_f32(std::string_view key, float value);
  void set_bool(std::string_view key, bool value);
  void set_string(std::string_view key, std::string_view value);
  void set_strings(std::string_view key, std::span<const std::string> values);
  void set_i32s(std::string_view key, std::span<const std::int32_t> values);
  void set_f32s(std::string_view key, std::span<const float> values);
  void erase(std::string_view key);

  bool has(std::string_view key) const;
  std::size_t size() const { return pairs_.size(); }
  // As the file has them, one after the other.
  std::string bytes() const;

  std::uint32_t version() const { return version_; }
  std::uint64_t alignment() const { return alignment_; }

 private:
  void set(std::string_view key, std::string value);

  std::vector<std::pair<std::string, std::string>> pairs_;  // the value: type and all
  std::uint32_t version_ = 3;
  std::uint64_t alignment_ = 32;
};

// A tensor of the file's table.
struct GgufTensor {
  std::string name;
  std::string_view type;  // of ggml: "Q4_K", "BF16"
  Shape shape;            // elements, outermost first
};

// The header with its padding, the place of each tensor's first byte, and the size of the file.
struct GgufFile {
  std::string header;
  std::vector<std::uint64_t> offsets;  // from the start of the file, in the order given
  std::uint64_t bytes = 0;
};

// kRefused for what readers do not take: long names, more than four dimensions, rows that are not
// whole blocks; kUsage for types that are none.
Result<GgufFile> gguf_file(const GgufKeyBytes& keys, std::span<const GgufTensor> tensors);

// What ggml calls plain numbers of that dtype; empty where it has none.
std::string_view ggml_name_of(DType dtype);

}  // namespace requant
