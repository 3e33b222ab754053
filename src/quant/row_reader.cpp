#include "quant/row_reader.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "tensor/float_formats.h"

namespace requant {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// What each code is; a codebook as it lies.
std::vector<double> decode_table(const QuantizedWeight& weight) {
  std::vector<double> table;
  if (weight.scheme.element == Element::kCodebook) {
    const std::int64_t entries = weight.codebook.elements();
    for (std::int64_t i = 0; i < entries; ++i) {
      table.push_back(element_as_double(weight.codebook, i));
    }
    return table;
  }
  for (int i = 0; i < 256; ++i) {
    const auto bits = static_cast<std::uint8_t>(i);
    if (weight.scheme.element != Element::kInt) {
      table.push_back(decode_float(weight.scheme.element, bits));
    } else {
      table.push_back(weight.codes.dtype == DType::kI8 ? static_cast<std::int8_t>(bits) : i);
    }
  }
  return table;
}

std::size_t at(std::int64_t index) { return static_cast<std::size_t>(index); }

// Grid column of the outer scale for the cell's first element.
std::int64_t outer_index(const QuantizedWeight& w, std::int64_t row, std::int64_t grid_col) {
  const Grid& inner = w.scheme.grid;
  const Grid& outer = w.scheme.outer->grid;
  const std::int64_t first = grid_col * inner.block_cols;
  if (inner.flat) return outer.index(first / w.cols, first % w.cols, w.rows, w.cols);
  return outer.index(row, first, w.rows, w.cols);
}

// Nested statistics are F32 by definition: the product, then the sum, each rounded, as their only
// reader computes them (bitsandbytes functional.dequantize_4bit@0.50.2).
double nested_scale(const QuantizedWeight& w, std::int64_t index, double outer) {
  const auto code = static_cast<std::int64_t>(element_as_double(w.scales, index));
  if (code >= w.scale_codebook.elements()) return kNan;
  const auto product = static_cast<float>(element_as_double(w.scale_codebook, code) * outer);
  const double offset = w.scale_offset.empty() ? 0 : element_as_double(w.scale_offset, 0);
  return static_cast<float>(static_cast<double>(product) + offset);
}

}  // namespace

double decode_float(Element element, std::uint8_t bits) {
  switch (element) {
    case Element::kE2M1:
      return e2m1_to_f32(bits);
    case Element::kE2M3:
      return e2m3_to_f32(bits);
    case Element::kE3M2:
      return e3m2_to_f32(bits);
    case Element::kE4M3Fn:
      return e4m3fn_to_f32(bits);
    case Element::kE4M3Fnuz:
      return e4m3fnuz_to_f32(bits);
    case Element::kE5M2:
      return e5m2_to_f32(bits);
    case Element::kE5M2Fnuz:
      return e5m2fnuz_to_f32(bits);
    case Element::kInt:
    case Element::kCodebook:
    case Element::kCount:
      break;
  }
  return kNan;
}

RowReader::RowReader(const QuantizedWeight& weight)
    : weight_(weight), decoded_(decode_table(weight)) {
  if (weight.codebook.shape.size() == 2) code_length_ = weight.codebook.shape[1];
  cell_of_column_.resize(at(weight.cols));
  values_.resize(at(weight.cols));
  if (!weight.scheme.grid.flat) map_columns();
}

void RowReader::map_columns() {
  const Grid& grid = weight_.scheme.grid;
  for (std::int64_t col = 0; col < weight_.cols; ++col) {
    std::int64_t cell = grid.block_cols == 0 ? 0 : col / grid.block_cols;
    if (weight_.scheme.permuted) {
      cell = static_cast<std::int64_t>(element_as_double(weight_.permutation, col));
      const std::int64_t count = grid.cols_of(weight_.rows, weight_.cols);
      if (cell < 0 || cell >= count) cell = count;  // an unused input: load_cells() has a NaN there
    }
    cell_of_column_[at(col)] = static_cast<std::uint32_t>(cell);
  }
}

ScaleCell RowReader::load_cell(std::int64_t row, std::int64_t grid_col, std::int64_t index) const {
  const Scheme& scheme = weight_.scheme;
  ScaleCell cell;
  const std::int64_t outer = scheme.outer ? outer_index(weight_, row, grid_col) : 0;
  const double factor = scheme.outer ? element_as_double(weight_.outer_scales, outer) : 1;
  if (!weight_.scale_codebook.empty()) {
    cell.scale = nested_scale(weight_, index, factor);
    return cell;
  }
  cell.scale = element_as_double(weight_.scales, index);
  const bool divides = scheme.outer && scheme.outer->orientation == Orientation::kDivisor;
  (divides ? cell.divisor : cell.outer) = factor;
  if (scheme.offset == Offset::kZero) cell.zero = element_as_double(weight_.zeros, index);
  if (scheme.offset == Offset::kMinimum) {
    cell.addend = element_as_double(weight_.minima, index);
    if (!weight_.outer_minima.empty())
      cell.addend *= element_as_double(weight_.outer_minima, outer);
  }
  return cell;
}

void RowReader::load_cells(std::int64_t row) {
  const Grid& grid = weight_.scheme.grid;
  if (grid.flat) {
    if (loaded_ == row) return;
    loaded_ = row;
    const std::int64_t first = grid.index(row, 0, weight_.rows, weight_.cols);
    const std::int64_t last = grid.index(row, weight_.cols - 1, weight_.rows, weight_.cols);
    cells_.clear();
    for (std::int64_t i = first; i <= last; ++i) cells_.push_back(load_cell(row, i, i));
    for (std::int64_t col = 0; col < weight_.cols; ++col) {
      cell_of_column_[at(col)] =
          static_cast<std::uint32_t>(grid.index(row, col, weight_.rows, weight_.cols) - first);
    }
    return;
  }
  const std::int64_t grid_row = grid.block_rows == 0 ? 0 : row / grid.block_rows;
  if (loaded_ == grid_row) return;
  loaded_ = grid_row;
  const std::int64_t count = grid.cols_of(weight_.rows, weight_.cols);
  cells_.clear();
  for (std::int64_t i = 0; i < count; ++i) {
    cells_.push_back(load_cell(row, i, grid_row * count + i));
  }
  if (weight_.scheme.permuted) cells_.push_back({.scale = kNan});
}

double RowReader::code(std::int64_t row, std::int64_t col) const {
  const std::int64_t index = row * (weight_.cols / code_length_) + col / code_length_;
  std::size_t stored = 0;
  if (weight_.codes.dtype == DType::kU16) {
    std::uint16_t wide = 0;
    std::memcpy(&wide, weight_.codes.bytes.data() + 2 * index, sizeof wide);
    stored = wide;
  } else {
    stored = std::to_integer<std::size_t>(weight_.codes.bytes.data()[index]);
  }
  const std::size_t place = stored * at(code_length_) + at(col % code_length_);
  return place < decoded_.size() ? decoded_[place] : kNan;
}

std::span<const ScaleCell> RowReader::cells(std::int64_t row) {
  load_cells(row);
  return std::span(cells_).first(cells_.size() - (weight_.scheme.permuted ? 1 : 0));
}

std::span<const std::uint8_t> RowReader::bytes(std::int64_t row) const {
  if (weight_.codes.dtype == DType::kU16 || code_length_ != 1) return {};
  return weight_.codes.as<std::uint8_t>().subspan(at(row * weight_.cols), at(weight_.cols));
}

ExactValue RowReader::value(std::int64_t row, std::int64_t col) const {
  const ScaleCell& of = cell(col);
  ExactValue value = exact_product(code(row, col) - of.zero, of.scale, of.outer);
  value.addend = of.addend;
  value.divisor = of.divisor;
  return value;
}

std::int64_t RowReader::end_of_cell(std::int64_t col) const {
  const Grid& grid = weight_.scheme.grid;
  if (!weight_.scheme.permuted && !grid.flat) {
    const std::int64_t size = grid.block_cols == 0 ? weight_.cols : grid.block_cols;
    return std::min(weight_.cols, (col / size + 1) * size);
  }
  std::int64_t end = col + 1;
  while (end < weight_.cols && cell_of_column_[at(end)] == cell_of_column_[at(col)]) ++end;
  return end;
}

std::span<const ExactValue> RowReader::read(std::int64_t row) {
  load_cells(row);
  for (std::int64_t col = 0; col < weight_.cols; ++col) values_[at(col)] = value(row, col);
  return values_;
}

}  // namespace requant
