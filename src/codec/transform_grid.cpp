#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "codec/transform.h"
#include "codec/transform_codes.h"

namespace requant {
namespace {

constexpr std::int64_t kNone = -1;

std::size_t at(std::int64_t index) { return static_cast<std::size_t>(index); }

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

std::int64_t block_end(std::int64_t block, std::int64_t position, std::int64_t extent) {
  return block == 0 ? extent : std::min(extent, (position / block + 1) * block);
}

// Runs of elements of a row that lie in one cell of both grids: visit(first, last, old, new).
template <class Visit>
void for_runs(const QuantizedWeight& w, const Grid& grid, std::int64_t row, const Visit& visit) {
  const Grid& own = w.scheme.grid;
  for (std::int64_t col = 0; col < w.cols;) {
    const std::int64_t end =
        std::min(block_end(own.block_cols, col, w.cols), block_end(grid.block_cols, col, w.cols));
    visit(col, end, own.index(row, col, w.rows, w.cols), grid.index(row, col, w.rows, w.cols));
    col = end;
  }
}

// One row of each pair of row blocks stands for all.
template <class Visit>
void for_cells(const QuantizedWeight& w, const Grid& grid, const Visit& visit) {
  for (std::int64_t row = 0; row < w.rows;) {
    for_runs(w, grid, row, [&](std::int64_t, std::int64_t, std::int64_t from, std::int64_t to) {
      visit(from, to);
    });
    row = std::min(block_end(w.scheme.grid.block_rows, row, w.rows),
                   block_end(grid.block_rows, row, w.rows));
  }
}

bool is_plain(const Grid& grid) {
  return !grid.flat && grid.block_rows >= 0 && grid.block_cols >= 0;
}

Result<void> check_plain(const QuantizedWeight& w, const Grid& grid) {
  const Scheme& s = w.scheme;
  const bool fits = is_plain(s.grid) && is_plain(grid) && !s.permuted &&
                    (!s.outer || s.outer->grid.is_tensor()) && s.offset != Offset::kMinimum &&
                    w.scale_codebook.empty();
  if (fits) return {};
  return refused("scales of " + describe(s) + " cannot be joined");
}

// By cell of `grid`, a cell of the weight's own that it covers, as `better` chooses.
template <class Better>
std::vector<std::int64_t> choose_cells(const QuantizedWeight& w, const Grid& grid,
                                       const Better& better) {
  std::vector<std::int64_t> chosen(at(grid.rows_of(w.rows, w.cols) * grid.cols_of(w.rows, w.cols)),
                                   kNone);
  for_cells(w, grid, [&](std::int64_t from, std::int64_t to) {
    std::int64_t& cell = chosen[at(to)];
    if (cell == kNone || (cell != from && better(from, cell))) cell = from;
  });
  return chosen;
}

Result<Tensor> take(const QuantizedWeight& w, const Grid& grid, const Tensor& tensor,
                    const std::vector<std::int64_t>& cells) {
  if (tensor.empty()) return tensor;
  const auto width = at(info(tensor.dtype).bits / 8);
  RQ_TRY(TensorBuilder out, TensorBuilder::make(tensor.dtype, {grid.rows_of(w.rows, w.cols),
                                                               grid.cols_of(w.rows, w.cols)}));
  std::byte* to = out.bytes().data();
  for (const std::int64_t cell : cells) {
    std::memcpy(to, tensor.bytes.data() + at(cell) * width, width);
    to += width;
  }
  return std::move(out).finish();
}

std::vector<double> as_doubles(const Tensor& tensor) {
  if (tensor.empty()) return {};
  std::vector<double> values(at(tensor.elements()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = element_as_double(tensor, static_cast<std::int64_t>(i));
  }
  return values;
}

}  // namespace

bool is_finer(const Grid& fine, const Grid& coarse, std::int64_t rows, std::int64_t cols) {
  return is_plain(fine) && is_plain(coarse) && splits(coarse.block_rows, fine.block_rows, rows) &&
         splits(coarse.block_cols, fine.block_cols, cols);
}

Result<QuantizedWeight> refine_grid(const QuantizedWeight& weight, const Grid& grid) {
  const Grid& from = weight.scheme.grid;
  if (from == grid) return weight;
  if (weight.scheme.permuted || !is_finer(grid, from, weight.rows, weight.cols)) {
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

Result<std::optional<QuantizedWeight>> join_cells(const QuantizedWeight& weight, const Grid& grid) {
  RQ_CHECK(check_plain(weight, grid));
  const auto scales = as_doubles(weight.scales);
  const auto zeros = as_doubles(weight.zeros);
  bool same = true;
  const auto cells = choose_cells(weight, grid, [&](std::int64_t a, std::int64_t b) {
    same =
        same && scales[at(a)] == scales[at(b)] && (zeros.empty() || zeros[at(a)] == zeros[at(b)]);
    return false;
  });
  std::optional<QuantizedWeight> joined;
  if (!same) return joined;
  joined = weight;
  joined->scheme.grid = grid;
  RQ_TRY(joined->scales, take(weight, grid, weight.scales, cells));
  RQ_TRY(joined->zeros, take(weight, grid, weight.zeros, cells));
  RQ_CHECK(validate(*joined));
  return joined;
}

Result<Tensor> largest_scales(const QuantizedWeight& weight, const Grid& grid) {
  RQ_CHECK(check_plain(weight, grid));
  const auto scales = as_doubles(weight.scales);
  const auto cells = choose_cells(
      weight, grid, [&](std::int64_t a, std::int64_t b) { return scales[at(a)] > scales[at(b)]; });
  return take(weight, grid, weight.scales, cells);
}

Result<CodeRounding> with_scales(const QuantizedWeight& weight, const Grid& grid,
                                 const Tensor& scales) {
  RQ_CHECK(check_plain(weight, grid));
  const CodeNumbers numbers(weight.scheme);
  if (!numbers.has_encoder() || weight.scheme.offset != Offset::kNone) {
    return refused("codes of " + describe(weight.scheme) + " cannot be rounded to other scales");
  }
  const auto before = as_doubles(weight.scales);
  const auto after = as_doubles(scales);
  CodeRounding out{.weight = weight};
  RQ_TRY(TensorBuilder codes, TensorBuilder::make(weight.codes.dtype, weight.codes.shape));
  const auto from = weight.codes.as<std::uint8_t>();
  const auto to = codes.as<std::uint8_t>();
  for (std::int64_t row = 0; row < weight.rows; ++row) {
    for_runs(
        weight, grid, row,
        [&](std::int64_t first, std::int64_t last, std::int64_t old_cell, std::int64_t new_cell) {
          const double old_scale = before[at(old_cell)];
          const double new_scale = after[at(new_cell)];
          const auto begin = at(row * weight.cols + first);
          const auto end = at(row * weight.cols + last);
          if (old_scale == new_scale) {
            std::memcpy(to.data() + begin, from.data() + begin, end - begin);
            return;
          }
          const CodeMap map(numbers, old_scale, new_scale);
          out.codes += map.apply(from.data() + begin, end - begin, to.data() + begin);
        });
  }
  out.weight.codes = std::move(codes).finish();
  out.weight.scales = scales;
  out.weight.scheme.grid = grid;
  RQ_CHECK(validate(out.weight));
  return out;
}

}  // namespace requant
