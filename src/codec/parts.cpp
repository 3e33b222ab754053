#include "codec/parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "kernel/transpose.h"

namespace requant {
namespace {

constexpr auto kFloat8 = std::to_array<std::pair<Element, DType>>({
    {Element::kE4M3Fn, DType::kF8E4M3},
    {Element::kE4M3Fnuz, DType::kF8E4M3Fnuz},
    {Element::kE5M2, DType::kF8E5M2},
    {Element::kE5M2Fnuz, DType::kF8E5M2Fnuz},
});

}  // namespace

const Tensor* find_part(const WeightParts& parts, std::string_view name) {
  const auto it = parts.find(name);
  return it == parts.end() ? nullptr : &it->second;
}

Error unexpected(std::string_view name, const Tensor& tensor, std::string_view expected) {
  return corrupt(fmt::format("{} is {} {}, expected {}", in_quotes(name), name_of(tensor.dtype),
                             to_string(tensor.shape), expected));
}

Result<Tensor> require_part(const WeightParts& parts, std::string_view name) {
  const Tensor* tensor = find_part(parts, name);
  if (tensor == nullptr) return corrupt("no tensor " + in_quotes(name));
  const auto elements = element_count(tensor->shape);
  const auto size = elements ? byte_size(tensor->dtype, *elements) : std::nullopt;
  if (!size || *size != tensor->bytes.size()) {
    return corrupt(fmt::format("{} has {} bytes, not those of {} {}", in_quotes(name),
                               tensor->bytes.size(), name_of(tensor->dtype),
                               to_string(tensor->shape)));
  }
  return *tensor;
}

Result<Tensor> require_part(const WeightParts& parts, std::string_view name, DType dtype,
                            const Shape& shape) {
  const Tensor* tensor = find_part(parts, name);
  if (tensor != nullptr && (tensor->dtype != dtype || tensor->shape != shape)) {
    return unexpected(name, *tensor, fmt::format("{} {}", name_of(dtype), to_string(shape)));
  }
  return require_part(parts, name);
}

Tensor relabel(Tensor tensor, DType dtype, Shape shape) {
  tensor.dtype = dtype;
  tensor.shape = std::move(shape);
  return tensor;
}

Result<Tensor> transpose(const Tensor& matrix) {
  const int bits = info(matrix.dtype).bits;
  if (bits != 8 && bits != 16 && bits != 32) {
    return refused(fmt::format("a transposed matrix of {}", name_of(matrix.dtype)));
  }
  const std::int64_t rows = matrix.shape[0];
  const std::int64_t cols = matrix.shape[1];
  RQ_TRY(TensorBuilder out, TensorBuilder::make(matrix.dtype, {cols, rows}));
  kernel::transpose({.from = matrix.as<std::uint8_t>().data(),
                     .to = out.as<std::uint8_t>().data(),
                     .rows = rows,
                     .cols = cols,
                     .width = bits / 8});
  return std::move(out).finish();
}

Result<Tensor> widen_i8(const Tensor& tensor) {
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kI16, tensor.shape));
  std::ranges::copy(tensor.as<std::int8_t>(), out.as<std::int16_t>().begin());
  return std::move(out).finish();
}

Result<Tensor> narrow_i16(std::string_view name, const Tensor& tensor) {
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kI8, tensor.shape));
  auto to = out.as<std::int8_t>().begin();
  for (const std::int16_t value : tensor.as<std::int16_t>()) {
    if (value < -128 || value > 127) {
      return refused(fmt::format("{} would hold {}, which I8 cannot", in_quotes(name), value));
    }
    *to++ = static_cast<std::int8_t>(value);
  }
  return std::move(out).finish();
}

std::optional<DType> dtype_of(Element element) {
  for (const auto& [known, dtype] : kFloat8) {
    if (known == element) return dtype;
  }
  return std::nullopt;
}

std::optional<Element> element_of(DType dtype) {
  for (const auto& [element, known] : kFloat8) {
    if (known == dtype) return element;
  }
  return std::nullopt;
}

}  // namespace requant
