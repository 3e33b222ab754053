#include "codec/modelopt_stack.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/checked.h"
#include "codec/parts.h"

namespace requant {
namespace {

// [matrices, inputs, outputs]; nothing where that is not its shape.
std::optional<std::array<std::int64_t, 3>> sizes_of(const Tensor& stack) {
  const Shape& shape = stack.shape;
  if (shape.size() != 2 && shape.size() != 3) return std::nullopt;
  const std::size_t first = shape.size() - 2;
  const std::array<std::int64_t, 3> sizes = {first == 0 ? 1 : shape[0], shape[first],
                                             shape[first + 1]};
  if (std::ranges::any_of(sizes, [](std::int64_t size) { return size < 1; })) return std::nullopt;
  return sizes;
}

std::optional<Shape> matrix_shape(const std::array<std::int64_t, 3>& sizes) {
  const auto rows = (Checked::from_signed(sizes[0]) * Checked::from_signed(sizes[2])).value();
  if (!rows || *rows > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
  return Shape{static_cast<std::int64_t>(*rows), sizes[1]};
}

// Each matrix transposed. REQUIRES: as many bytes as the shape needs.
Result<Tensor> transposed_each(const Tensor& stack, const std::array<std::int64_t, 3>& sizes,
                               const Shape& shape) {
  RQ_TRY(Buffer out, Buffer::allocate(stack.bytes.size()));
  const std::size_t size = stack.bytes.size() / static_cast<std::size_t>(sizes[0]);
  for (std::size_t at = 0; at < stack.bytes.size(); at += size) {
    const Tensor matrix{stack.dtype, {sizes[1], sizes[2]}, stack.bytes.slice(at, size)};
    RQ_TRY(const Tensor rows, transpose(matrix));
    std::memcpy(out.span().data() + at, rows.bytes.data(), size);
  }
  return Tensor{stack.dtype, shape, std::move(out).freeze()};
}

}  // namespace

Result<std::optional<WeightParts>> matrix_of_stack(const WeightParts& parts) {
  std::optional<WeightParts> out = parts;
  for (const std::string_view name : {"weight", "weight_scale"}) {
    const auto part = out->find(name);
    if (part == out->end()) return std::optional<WeightParts>();
    Tensor& tensor = part->second;
    if (name == "weight_scale" && tensor.shape.size() < 2) continue;
    const auto sizes = sizes_of(tensor);
    const auto shape = sizes ? matrix_shape(*sizes) : std::nullopt;
    if (!shape) return std::optional<WeightParts>();
    if (tensor.bytes.empty()) {
      tensor.shape = *shape;
      continue;
    }
    RQ_TRY(const Tensor whole, require_part(parts, name));
    RQ_TRY(tensor, transposed_each(whole, *sizes, *shape));
  }
  return out;
}

}  // namespace requant
