#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace requant {

// How one element lies in memory. Quantisation is not a dtype: see quant/scheme.h.
// In the order in which safetensors writers lay tensors out, widest alignment first.
enum class DType : std::uint8_t {
  kU64,
  kI64,
  kF64,
  kC64,
  kF32,
  kU32,
  kI32,
  kBF16,
  kF16,
  kU16,
  kI16,
  kF8E5M2Fnuz,
  kF8E4M3Fnuz,
  kF8E8M0,
  kF8E4M3,  // the "fn" format: no infinity, NaN is 0x7F and 0xFF
  kF8E5M2,
  kI8,
  kU8,
  kF6E3M2,  // four elements in three bytes
  kF6E2M3,
  kF4,  // E2M1, two elements a byte, low nibble first
  kBool,
  kCount
};

struct DTypeInfo {
  std::string_view name;  // as safetensors spells it
  int bits;               // of one element
};

const DTypeInfo& info(DType dtype);
inline std::string_view name_of(DType dtype) { return info(dtype).name; }

// Exact spelling only: "F32", never "f32".
std::optional<DType> dtype_named(std::string_view safetensors_name);

// "float16", "bfloat16" and "float32" as config.json's torch_dtype spells them.
std::optional<DType> dtype_of_torch(std::string_view torch_name);
std::string_view torch_name_of(DType dtype);

// F32, F16 or BF16: what scales and unquantised weights are stored in.
constexpr bool is_half_or_single(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16;
}

// Bytes of `elements` elements; nothing when they do not fill whole bytes or overflow.
std::optional<std::uint64_t> byte_size(DType dtype, std::uint64_t elements);

// The number of elements; nothing on overflow, also where a later dimension is 0 (as the reference
// multiplies from left to right), and where a dimension is negative.
std::optional<std::uint64_t> element_count(std::span<const std::int64_t> shape);

}  // namespace requant
