#include "kernel/run_matrix.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/threads.h"
#include "kernel/dot_rows.h"
#include "quant/row_reader.h"

namespace requant::kernel {
namespace {

constexpr std::size_t kRowsAtOnce = 4;
constexpr std::size_t kGrain = std::size_t{1} << 17;  // products that are worth a thread

std::size_t size(std::int64_t value) { return static_cast<std::size_t>(value); }

// What the codes 0 to `entries` - 1 are worth; of integers, their own bits.
std::vector<float> table_of(const QuantizedWeight& weight, std::size_t entries) {
  std::vector<float> table(entries);
  const std::size_t known = size(weight.codebook.empty() ? 0 : weight.codebook.elements());
  for (std::size_t i = 0; i < entries; ++i) {
    const auto bits = static_cast<std::uint8_t>(i);
    switch (weight.scheme.element) {
      case Element::kInt: {
        const bool is_signed = weight.codes.dtype == DType::kI8;
        const bool negative = is_signed && i >= entries / 2;
        table[i] = static_cast<float>(i) - (negative ? static_cast<float>(entries) : 0.0F);
        break;
      }
      case Element::kCodebook:
        if (i < known) {
          table[i] =
              static_cast<float>(element_as_double(weight.codebook, static_cast<std::int64_t>(i)));
        }
        break;
      default:
        table[i] = static_cast<float>(decode_float(weight.scheme.element, bits));
    }
  }
  return table;
}

}  // namespace

Result<RunMatrix> RunMatrix::dense(const Tensor& tensor) {
  if (tensor.shape.size() != 2 || !is_half_or_single(tensor.dtype)) {
    return corrupt(fmt::format("a matrix is F32, F16 or BF16 of two dimensions, not {} {}",
                               name_of(tensor.dtype), to_string(tensor.shape)));
  }
  RunMatrix matrix;
  matrix.rows_ = size(tensor.shape[0]);
  matrix.cols_ = size(tensor.shape[1]);
  matrix.form_ = tensor.dtype == DType::kF16 ? CodeForm::kF16 : CodeForm::kBF16;
  matrix.values_ = tensor;
  return matrix;
}

Result<RunMatrix> RunMatrix::pack(const QuantizedWeight& weight) {
  if (!weight.scheme.rotation.empty()) {
    return refused("inputs rotated by " + weight.scheme.rotation + " are not supported");
  }
  if (weight.scheme.is_dense()) {
    Tensor values = weight.scales;
    values.shape = {weight.rows, weight.cols};
    return dense(values);
  }
  RunMatrix matrix;
  matrix.rows_ = size(weight.rows);
  matrix.cols_ = size(weight.cols);
  RQ_CHECK(matrix.pack_inputs(weight));
  RQ_CHECK(matrix.pack_cells(weight));
  RQ_CHECK(matrix.pack_codes(weight));
  return matrix;
}

Result<void> RunMatrix::pack_inputs(const QuantizedWeight& weight) {
  if (!weight.input_multiplier.empty()) {
    for (std::int64_t i = 0; i < weight.cols; ++i) {
      multiplier_.push_back(static_cast<float>(element_as_double(weight.input_multiplier, i)));
    }
  }
  if (!weight.scheme.permuted) return {};
  const auto groups = weight.permutation.as<std::int32_t>();
  const std::int64_t count = weight.scheme.grid.cols_of(weight.rows, weight.cols);
  if (std::ranges::any_of(groups, [&](std::int32_t g) { return g < 0 || g >= count; })) {
    return refused("an input belongs to no group of the weight");
  }
  if (std::ranges::is_sorted(groups)) return {};
  order_.resize(cols_);
  std::iota(order_.begin(), order_.end(), 0);
  std::ranges::stable_sort(
      order_, {}, [&](std::int32_t input) { return groups[static_cast<std::size_t>(input)]; });
  return {};
}

Result<void> RunMatrix::pack_cells(const QuantizedWeight& weight) {
  const Grid& grid = weight.scheme.grid;
  RowReader reader(weight);
  const auto add = [&](std::span<const ScaleCell> cells) {
    for (const ScaleCell& cell : cells) {
      const double scale = cell.scale * cell.outer / cell.divisor;
      scales_.push_back(static_cast<float>(scale));
      addends_.push_back(static_cast<float>(cell.addend - cell.zero * scale));
    }
  };
  if (grid.flat) {
    flat_block_ = size(grid.block_cols);
    const std::int64_t cells = grid.cols_of(weight.rows, weight.cols);
    std::int64_t done = 0;
    for (std::int64_t row = 0; row < weight.rows; ++row) {
      const std::int64_t first = grid.index(row, 0, weight.rows, weight.cols);
      const auto own = reader.cells(row);
      add(own.subspan(size(std::min<std::int64_t>(done - first, std::ssize(own)))));
      done = first + std::ssize(own);
    }
    if (done != cells) return corrupt("a flat grid of too few cells");
  } else {
    block_rows_ = grid.block_rows == 0 ? rows_ : size(grid.block_rows);
    for (std::size_t row = 0; row < rows_; row += block_rows_) {
      add(reader.cells(static_cast<std::int64_t>(row)));
    }
    row_cells_ = size(grid.cols_of(weight.rows, weight.cols));
    const auto cell_of = reader.cell_of_column();
    for (std::size_t col = 0; col < cols_; ++col) {
      const std::uint32_t cell = cell_of[order_.empty() ? col : size(order_[col])];
      if (runs_.empty() || runs_.back().cell != cell) runs_.push_back({0, cell});
      runs_.back().end = static_cast<std::uint32_t>(col + 1);
    }
  }
  if (std::ranges::all_of(addends_, [](float addend) { return addend == 0; })) addends_ = {};
  return {};
}

Result<void> RunMatrix::pack_codes(const QuantizedWeight& weight) {
  const bool is_vector = weight.codebook.shape.size() == 2;
  const auto codes = weight.codes.as<std::uint8_t>();
  if (is_vector) {
    vectors_ = weight.codebook;
    code_length_ = size(weight.codebook.shape[1]);
    code_bytes_ = weight.codes.dtype == DType::kU16 ? 2 : 1;
    row_bytes_ = cols_ / code_length_ * code_bytes_;
    codes_.assign(codes.begin(), codes.end());
    const auto limit = size(weight.codebook.shape[0]);
    for (std::size_t i = 0; i + code_bytes_ <= codes_.size(); i += code_bytes_) {
      const std::size_t code = codes_[i] + (code_bytes_ == 2 ? 256U * codes_[i + 1] : 0U);
      if (code >= limit) return corrupt("an index beyond the codebook");
    }
    return order_.empty() ? Result<void>() : refused("a codebook of vectors under a permutation");
  }
  if (weight.codes.dtype == DType::kU16) return refused("indices of 16 bits");
  const bool is_wide_int = weight.scheme.element == Element::kInt && weight.scheme.bits > 4;
  const bool nibbles = weight.scheme.bits <= 4;
  form_ = nibbles ? CodeForm::kNibbles : CodeForm::kBytes;
  if (is_wide_int && weight.codes.dtype == DType::kI8) form_ = CodeForm::kInt8;
  if (form_ != CodeForm::kInt8) table_ = table_of(weight, nibbles ? 16 : 256);
  row_bytes_ = nibbles ? (cols_ + 1) / 2 : cols_;
  codes_.resize(row_bytes_ * rows_);
  for (std::size_t row = 0; row < rows_; ++row) {
    const std::uint8_t* from = codes.data() + row * cols_;
    std::uint8_t* to = codes_.data() + row * row_bytes_;
    for (std::size_t col = 0; col < cols_; ++col) {
      const std::uint8_t code = from[order_.empty() ? col : size(order_[col])];
      if (nibbles) {
        to[col / 2] = static_cast<std::uint8_t>(to[col / 2] | ((code & 15U) << (col % 2 * 4)));
      } else {
        to[col] = code;
      }
    }
  }
  return {};
}

std::uint64_t RunMatrix::bytes() const {
  return values_.bytes.size() + codes_.size() + 4 * (scales_.size() + addends_.size());
}

void RunMatrix::expand_cell(std::size_t row, std::size_t begin, std::size_t end, std::size_t cell,
                            float* out) const {
  const float scale = scales_[cell];
  const float addend = addends_.empty() ? 0 : addends_[cell];
  const std::uint8_t* codes = codes_.data() + row * row_bytes_;
  if (vectors_.empty()) {
    expand_codes_kernel().run({.codes = codes,
                               .first = begin,
                               .count = end - begin,
                               .form = form_,
                               .table = table_.data(),
                               .scale = scale,
                               .addend = addend,
                               .out = out + begin});
    return;
  }
  const auto entries = vectors_.as<float>();
  for (std::size_t col = begin; col < end; ++col) {
    const std::size_t at = col / code_length_ * code_bytes_;
    const std::size_t code = codes[at] + (code_bytes_ == 2 ? 256U * codes[at + 1] : 0U);
    out[col] = entries[code * code_length_ + col % code_length_] * scale + addend;
  }
}

void RunMatrix::expand_runs(std::size_t row, std::span<float> out) const {
  const std::size_t first = row / block_rows_ * row_cells_;
  std::size_t begin = 0;
  for (const Run& run : runs_) {
    expand_cell(row, begin, run.end, first + run.cell, out.data());
    begin = run.end;
  }
}

void RunMatrix::expand_flat(std::size_t row, std::span<float> out) const {
  for (std::size_t col = 0; col < cols_;) {
    const std::size_t at = row * cols_ + col;
    const std::size_t end = std::min(cols_, col + flat_block_ - at % flat_block_);
    expand_cell(row, col, end, at / flat_block_, out.data());
    col = end;
  }
}

void RunMatrix::expand(std::size_t row, std::span<float> out) const {
  if (values_.empty()) {
    if (flat_block_ != 0) return expand_flat(row, out);
    return expand_runs(row, out);
  }
  if (values_.dtype == DType::kF32) {
    std::memcpy(out.data(), values_.as<float>().data() + row * cols_, cols_ * sizeof(float));
    return;
  }
  expand_codes_kernel().run({.codes = values_.as<std::uint16_t>().data() + row * cols_,
                             .first = 0,
                             .count = cols_,
                             .form = form_,
                             .table = nullptr,
                             .scale = 1,
                             .addend = 0,
                             .out = out.data()});
}

void RunMatrix::read(std::size_t row, std::span<float> out) const {
  if (order_.empty()) return expand(row, out);
  std::vector<float> ordered(cols_);
  expand(row, ordered);
  for (std::size_t col = 0; col < cols_; ++col) out[size(order_[col])] = ordered[col];
}

void RunMatrix::prepare(std::span<const float> inputs, std::span<float> out) const {
  for (std::size_t col = 0; col < cols_; ++col) {
    const std::size_t input = order_.empty() ? col : size(order_[col]);
    out[col] = inputs[input] * (multiplier_.empty() ? 1.0F : multiplier_[input]);
  }
}

void multiply(const RunMatrix& matrix, std::span<const float> inputs, std::size_t tokens,
              float* out, std::size_t out_stride) {
  const std::size_t cols = matrix.cols();
  const std::size_t steps = (matrix.rows() + kRowsAtOnce - 1) / kRowsAtOnce;
  const std::size_t grain = kGrain / (kRowsAtOnce * cols * tokens + 1) + 1;
  parallel_for(steps, grain, [&](std::size_t begin, std::size_t end) {
    std::vector<float> buffer(kRowsAtOnce * cols);
    for (std::size_t step = begin; step < end; ++step) {
      const std::size_t first = step * kRowsAtOnce;
      const std::size_t rows = std::min(kRowsAtOnce, matrix.rows() - first);
      for (std::size_t i = 0; i < rows; ++i) {
        matrix.expand(first + i, std::span(buffer).subspan(i * cols, cols));
      }
      dot_rows_kernel().run({.weights = buffer.data(),
                             .stride = cols,
                             .rows = rows,
                             .inputs = inputs.data(),
                             .input_stride = cols,
                             .tokens = tokens,
                             .cols = cols,
                             .out = out + first,
                             .out_stride = out_stride});
    }
  });
}

}  // namespace requant::kernel
