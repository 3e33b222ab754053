#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "tensor/dtype.h"

namespace requant {

// How ggml lays out a tensor: in blocks of some consecutive elements of a row.
struct GgmlType {
  std::uint32_t id = 0;
  std::string_view name;             // "Q4_K", as gguf-py spells it
  std::uint32_t block_elements = 1;  // 1: plain numbers
  std::uint32_t block_bytes = 0;
  std::optional<DType> dtype = {};  // of plain numbers
};

// nullptr for numbers that mean no type, those of types that ggml has given up among them.
const GgmlType* ggml_type(std::uint32_t id);
const GgmlType* ggml_type(std::string_view name);

}  // namespace requant
