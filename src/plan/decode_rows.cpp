#include "plan/decode_rows.h"

#include <algorithm>
#include <cstdint>

#include "kernel/dense.h"
#include "plan/memory.h"

namespace requant {
namespace {

// Rows can be taken out without looking at the grid: each has its own cells, or all share one.
bool has_rows_of_its_own(const QuantizedWeight& weight) {
  const Grid& grid = weight.scheme.grid;
  const bool plain = !weight.scheme.outer && weight.scheme.offset != Offset::kMinimum &&
                     weight.scheme.element != Element::kCodebook;
  return plain && !grid.flat && (grid.block_rows == 1 || grid.is_tensor());
}

// Rows [begin, begin + rows) of a tensor that has `of` rows.
Tensor rows_of(const Tensor& tensor, std::int64_t begin, std::int64_t rows, std::int64_t of) {
  if (tensor.empty()) return tensor;
  const std::size_t stride = tensor.bytes.size() / static_cast<std::size_t>(of);
  Tensor part = tensor;
  part.shape.front() = rows;
  part.bytes = tensor.bytes.slice(static_cast<std::size_t>(begin) * stride,
                                  static_cast<std::size_t>(rows) * stride);
  return part;
}

QuantizedWeight rows_of(const QuantizedWeight& weight, std::int64_t begin, std::int64_t rows) {
  if (rows == weight.rows) return weight;  // also what cannot be cut
  QuantizedWeight part = weight;
  part.rows = rows;
  part.codes = rows_of(weight.codes, begin, rows, weight.rows);
  if (weight.scheme.grid.is_tensor()) return part;
  part.scales = rows_of(weight.scales, begin, rows, weight.rows);
  part.zeros = rows_of(weight.zeros, begin, rows, weight.rows);
  return part;
}

constexpr std::uint16_t kF16Infinity = 0x7C00;

Result<void> check_finite(const Tensor& values) {
  if (values.dtype != DType::kF16) return {};
  const auto is_infinite = [](std::uint16_t bits) { return (bits & 0x7FFF) == kF16Infinity; };
  if (std::ranges::none_of(values.as<std::uint16_t>(), is_infinite)) return {};
  return refused("a value is too large for F16; bf16 and f32 hold it");
}

}  // namespace

Result<void> decode_rows(const QuantizedWeight& weight, DType dtype, const TakeRows& take) {
  const auto row_bytes = weight.cols * (info(dtype).bits / 8);
  const auto fitting =
      static_cast<std::int64_t>(kChunkBytes) / std::max<std::int64_t>(1, row_bytes);
  const std::int64_t step =
      has_rows_of_its_own(weight) ? std::max<std::int64_t>(1, fitting) : weight.rows;
  for (std::int64_t begin = 0; begin < weight.rows; begin += step) {
    const std::int64_t rows = std::min(step, weight.rows - begin);
    RQ_TRY(const Tensor values, kernel::dense_tensor(rows_of(weight, begin, rows), dtype));
    RQ_CHECK(check_finite(values));
    RQ_CHECK(take(static_cast<std::uint64_t>(begin * row_bytes), values.bytes.span()));
  }
  return {};
}

}  // namespace requant
