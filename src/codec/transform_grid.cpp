#include <fmt/format.h>

#include <cstring>

#include "codec/transform.h"

namespace requant {
namespace {

// `tensor`, which lies on the weight's grid, on a finer one: its raw bits repeated.
Result<Tensor> refine(const QuantizedWeight& w, const Tensor& tensor, const Grid& grid) {
  if (tensor.empty()) return tensor;
  const std::int64_t rows = grid.rows_of(w.rows, w.cols);
  const std::int64_t cols = grid.cols_of(w.rows, w.cols);
  const auto width = static_cast<std::size_t>(info(tensor.dtype).bits / 8);
  RQ_TRY(TensorBuilder out, TensorBuilder::make(tensor.dtype, {rows, cols}));
  std::byte* to = out.bytes().data();
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t col = 0; col < cols; ++col, to += width) {
      const std::int64_t from =
          w.scheme.grid.index(row * grid.block_rows, col * grid.block_cols, w.rows, w.cols);
      std::memcpy(to, tensor.bytes.data() + static_cast<std::size_t>(from) * width, width);
    }
  }
  return std::move(out).finish();
}

// Whether each fine block lies in one coarse block, along an axis of that extent.
bool splits(std::int64_t coarse, std::int64_t fine, std::int64_t extent) {
  if (coarse == 0 || coarse >= extent) return true;
  return fine != 0 && coarse % fine == 0;
}

}  // namespace

Result<QuantizedWeight> refine_grid(const QuantizedWeight& weight, const Grid& grid) {
  const Grid& from = weight.scheme.grid;
  if (from == grid) return weight;
  const bool finer = !from.flat && !grid.flat && grid.block_rows >= 0 && grid.block_cols >= 0 &&
                     !weight.scheme.permuted &&
                     splits(from.block_rows, grid.block_rows, weight.rows) &&
                     splits(from.block_cols, grid.block_cols, weight.cols);
  if (!finer) {
    return refused(
        fmt::format("scales per {} are not finer than per {}", describe(grid), describe(from)));
  }
  QuantizedWeight refined = weight;
  refined.scheme.grid = grid;
  RQ_TRY(refined.scales, refine(weight, weight.scales, grid));
  RQ_TRY(refined.zeros, refine(weight, weight.zeros, grid));
  RQ_TRY(refined.minima, refine(weight, weight.minima, grid));
  RQ_CHECK(validate(refined));
  return refined;
}

}  // namespace requant
