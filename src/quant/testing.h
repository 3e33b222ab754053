#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "quant/quantized_weight.h"

// What the tests of quant, kernel and codec share.
namespace requant::testing_support {

template <class T>
Tensor tensor_of(DType dtype, Shape shape, const std::vector<T>& values) {
  auto builder = TensorBuilder::make(dtype, std::move(shape));
  if (!builder || builder->bytes().size() != values.size() * sizeof(T)) return {};
  std::memcpy(builder->bytes().data(), values.data(), values.size() * sizeof(T));
  return std::move(*builder).finish();
}

inline Tensor f32(Shape shape, const std::vector<float>& values) {
  return tensor_of(DType::kF32, std::move(shape), values);
}
inline Tensor i8(Shape shape, const std::vector<std::int8_t>& values) {
  return tensor_of(DType::kI8, std::move(shape), values);
}
inline Tensor u8(Shape shape, const std::vector<std::uint8_t>& values) {
  return tensor_of(DType::kU8, std::move(shape), values);
}

// A weight that validates and holds finite numbers, from a seeded generator. For every scheme but
// those with a scale codebook.
QuantizedWeight random_weight(const Scheme& scheme, std::int64_t rows, std::int64_t cols,
                              std::uint32_t seed = 1);

// tests/data/vectors/NAME.json: what the libraries themselves computed.
Json vectors(std::string_view name);
// {dtype, shape, hex_le}.
Tensor tensor_in(const Json& json);
// The tensor of that name in `entry.tensors`.
Tensor tensor_in(const Json& entry, std::string_view name);
// The F32 numbers of an entry's "dequant".
std::vector<float> expected_values(const Json& entry);

// dequantize(), which must succeed.
std::vector<float> values_of(const QuantizedWeight& weight);

}  // namespace requant::testing_support
