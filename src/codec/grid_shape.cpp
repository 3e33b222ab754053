#include "codec/grid_shape.h"

#include "base/checked.h"

namespace requant {
namespace {

// The block that cuts `extent` into `count` pieces.
std::optional<std::int64_t> block_of(std::int64_t extent, std::int64_t count) {
  if (count < 1 || count > extent) return std::nullopt;
  if (extent % count == 0) return extent / count;
  std::optional<std::int64_t> found;
  for (std::int64_t block = 1; block < extent && block > 0; block *= 2) {
    if (ceil_div(extent, block) == count) found = block;
  }
  return found;
}

bool gives(const Grid& grid, std::int64_t rows, std::int64_t cols, std::int64_t scale_rows,
           std::int64_t scale_cols) {
  return !grid.flat && grid.block_rows >= 0 && grid.block_cols >= 0 &&
         grid.rows_of(rows, cols) == scale_rows && grid.cols_of(rows, cols) == scale_cols;
}

}  // namespace

std::optional<Grid> grid_of_shape(const Shape& shape, std::int64_t rows, std::int64_t cols,
                                  const Grid& declared) {
  if (rows < 1 || cols < 1 || shape.size() > 2) return std::nullopt;
  const std::int64_t scale_rows = shape.empty() ? 1 : shape[0];
  const std::int64_t scale_cols = shape.size() == 2 ? shape[1] : 1;
  if (gives(declared, rows, cols, scale_rows, scale_cols)) return declared;
  if (scale_cols == 1 && scale_rows == 1) return Grid::tensor();
  if (scale_cols == 1 && scale_rows == rows) return Grid::channel();
  if (shape.size() < 2) return std::nullopt;
  const auto block_rows = block_of(rows, scale_rows);
  const auto block_cols = block_of(cols, scale_cols);
  if (!block_rows || !block_cols) return std::nullopt;
  if (*block_rows == 1 && cols % scale_cols != 0) return std::nullopt;
  return Grid::block(*block_rows, *block_cols);
}

}  // namespace requant
