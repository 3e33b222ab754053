#include "tensor/tensor.h"

#include <fmt/format.h>

#include <cstring>
#include <utility>

#include "tensor/float_formats.h"

namespace requant {
namespace {

template <class T>
T load(const std::byte* from, std::int64_t index) {
  T value;
  std::memcpy(&value, from + static_cast<std::size_t>(index) * sizeof(T), sizeof(T));
  return value;
}

}  // namespace

std::string to_string(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

Result<Tensor> Tensor::make(DType dtype, Shape shape, Bytes bytes) {
  const auto elements = element_count(shape);
  const auto size = elements ? byte_size(dtype, *elements) : std::nullopt;
  if (!size || *size != bytes.size()) {
    return corrupt(
        fmt::format("{} bytes for {} {}", bytes.size(), name_of(dtype), requant::to_string(shape)));
  }
  return Tensor{dtype, std::move(shape), std::move(bytes)};
}

std::int64_t Tensor::elements() const {
  return static_cast<std::int64_t>(element_count(shape).value_or(0));
}

bool same_bits(const Tensor& a, const Tensor& b) {
  if (a.dtype != b.dtype || a.shape != b.shape || a.bytes.size() != b.bytes.size()) return false;
  return a.bytes.same_memory(b.bytes) || a.bytes.empty() ||
         std::memcmp(a.bytes.data(), b.bytes.data(), a.bytes.size()) == 0;
}

Result<TensorBuilder> TensorBuilder::make(DType dtype, Shape shape) {
  const auto elements = element_count(shape);
  const auto size = elements ? byte_size(dtype, *elements) : std::nullopt;
  if (!size) return corrupt("the size of " + requant::to_string(shape) + " overflows");
  TensorBuilder builder;
  RQ_TRY(builder.buffer_, Buffer::allocate(*size));
  builder.dtype_ = dtype;
  builder.shape_ = std::move(shape);
  return builder;
}

Tensor TensorBuilder::finish() && {
  return Tensor{dtype_, std::move(shape_), std::move(buffer_).freeze()};
}

double element_as_double(const Tensor& tensor, std::int64_t index) {
  const std::byte* data = tensor.bytes.data();
  switch (tensor.dtype) {
    case DType::kF64:
      return load<double>(data, index);
    case DType::kF32:
      return load<float>(data, index);
    case DType::kF16:
      return f16_to_f32(load<std::uint16_t>(data, index));
    case DType::kBF16:
      return bf16_to_f32(load<std::uint16_t>(data, index));
    case DType::kF8E4M3:
      return e4m3fn_to_f32(load<std::uint8_t>(data, index));
    case DType::kF8E5M2:
      return e5m2_to_f32(load<std::uint8_t>(data, index));
    case DType::kF8E4M3Fnuz:
      return e4m3fnuz_to_f32(load<std::uint8_t>(data, index));
    case DType::kF8E5M2Fnuz:
      return e5m2fnuz_to_f32(load<std::uint8_t>(data, index));
    case DType::kF8E8M0:
      return e8m0_to_f32(load<std::uint8_t>(data, index));
    case DType::kI64:
      return static_cast<double>(load<std::int64_t>(data, index));
    case DType::kU64:
      return static_cast<double>(load<std::uint64_t>(data, index));
    case DType::kI32:
      return load<std::int32_t>(data, index);
    case DType::kU32:
      return load<std::uint32_t>(data, index);
    case DType::kI16:
      return load<std::int16_t>(data, index);
    case DType::kU16:
      return load<std::uint16_t>(data, index);
    case DType::kI8:
      return load<std::int8_t>(data, index);
    case DType::kU8:
    case DType::kBool:
      return load<std::uint8_t>(data, index);
    case DType::kC64:
      return load<float>(data, 2 * index);
    case DType::kF6E3M2:
    case DType::kF6E2M3:
    case DType::kF4:
    case DType::kCount:
      break;
  }
  return 0;
}

Result<Tensor> to_f32(const Tensor& tensor) {
  if (tensor.dtype == DType::kF32) return tensor;
  if (info(tensor.dtype).bits < 8 || tensor.dtype == DType::kC64) {
    return refused(fmt::format("{} has no F32 form", name_of(tensor.dtype)));
  }
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kF32, tensor.shape));
  const auto values = out.as<float>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(element_as_double(tensor, static_cast<std::int64_t>(i)));
  }
  return std::move(out).finish();
}

}  // namespace requant
