#include "codec/awq_gemv_shape.h"

#include "base/checked.h"

namespace requant {

bool is_awq_gemv_grid(const Grid& grid) {
  if (grid.is_channel()) return true;
  return grid.is_group() &&
         (grid.block_cols >= 128 || grid.block_cols == 64 || grid.block_cols == 32);
}

std::int64_t awq_zero_words(const Grid& grid, std::int64_t cols) {
  constexpr std::int64_t kPack = 8;
  const std::int64_t multiple = grid.block_cols == 32 ? 4 : grid.block_cols == 64 ? 2 : 1;
  const std::int64_t groups = grid.cols_of(1, cols);
  return ceil_div(ceil_div(groups, kPack), multiple) * multiple;
}

}  // namespace requant
