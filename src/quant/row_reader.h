#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "quant/exact.h"
#include "quant/quantized_weight.h"

namespace requant {

// What the elements of one cell of the scale grid share.
struct ScaleCell {
  double scale = 0;
  double outer = 1;  // a factor
  double zero = 0;
  double addend = 0;   // the minimum
  double divisor = 1;  // the outer scale where it divides

  friend bool operator==(const ScaleCell&, const ScaleCell&) = default;
};

// What a bit pattern of a float element is; NaN for elements that are no floats.
double decode_float(Element element, std::uint8_t bits);

// Reads the elements of a weight exactly, row by row. Keeps the cells of one row only, so that a
// weight with a scale for each element needs no second copy of itself.
// REQUIRES: validate(weight); the weight outlives the reader. One reader a thread.
class RowReader {
 public:
  explicit RowReader(const QuantizedWeight& weight);

  // The elements of a row, which stay valid until the next call.
  std::span<const ExactValue> read(std::int64_t row);

  // The cells of a row and, for each column, which of them it uses; valid until the next call.
  std::span<const ScaleCell> cells(std::int64_t row);
  std::span<const std::uint32_t> cell_of_column() const { return cell_of_column_; }

  // The codes of a row as they are stored; empty where an element is not a byte of its own.
  std::span<const std::uint8_t> bytes(std::int64_t row) const;

  // One element, and its cell. REQUIRES: cells(row) was called last.
  const ScaleCell& cell(std::int64_t col) const {
    return cells_[cell_of_column_[static_cast<std::size_t>(col)]];
  }
  ExactValue value(std::int64_t row, std::int64_t col) const;

  // Columns from `col` on that use one cell, up to where the next begins.
  std::int64_t end_of_cell(std::int64_t col) const;

 private:
  void map_columns();
  void load_cells(std::int64_t row);
  ScaleCell load_cell(std::int64_t row, std::int64_t grid_col, std::int64_t index) const;
  double code(std::int64_t row, std::int64_t col) const;

  const QuantizedWeight& weight_;
  std::vector<double> decoded_;   // by code; with a codebook, its entries
  std::int64_t code_length_ = 1;  // elements that one code gives
  std::int64_t loaded_ = -1;      // the grid row (a flat grid: the row) whose cells are loaded
  std::vector<ScaleCell> cells_;
  std::vector<std::uint32_t> cell_of_column_;
  std::vector<ExactValue> values_;
};

}  // namespace requant
