#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "kernel/expand_codes.h"
#include "quant/quantized_weight.h"

namespace requant::kernel {

// A weight as products are made of it: codes as narrow as they are stored or in whole nibbles and
// bytes, unquantised values as they lie. Rows become F32 one at a time, in a small buffer; the
// matrix never does.
class RunMatrix {
 public:
  // kRefused for rotated inputs and inputs that belong to no group.
  static Result<RunMatrix> pack(const QuantizedWeight& weight);
  // F32, F16 or BF16 [rows, cols].
  static Result<RunMatrix> dense(const Tensor& tensor);

  std::size_t rows() const { return rows_; }
  std::size_t cols() const { return cols_; }
  std::uint64_t bytes() const;

  // The values of a row, its inputs in the order of prepare(). REQUIRES: out.size() == cols().
  void expand(std::size_t row, std::span<float> out) const;
  // The same in the order of the weight: what the row of an embedding is.
  void read(std::size_t row, std::span<float> out) const;

  // Whether inputs have to go through prepare() first.
  bool prepares() const { return !order_.empty() || !multiplier_.empty(); }
  // Inputs multiplied and put into the order of the rows. REQUIRES: both of cols() numbers.
  void prepare(std::span<const float> inputs, std::span<float> out) const;

 private:
  struct Run {  // columns that share a cell, up to `end`
    std::uint32_t end = 0;
    std::uint32_t cell = 0;
  };

  Result<void> pack_inputs(const QuantizedWeight& weight);
  Result<void> pack_cells(const QuantizedWeight& weight);
  Result<void> pack_codes(const QuantizedWeight& weight);
  void expand_runs(std::size_t row, std::span<float> out) const;
  void expand_flat(std::size_t row, std::span<float> out) const;
  void expand_cell(std::size_t row, std::size_t begin, std::size_t end, std::size_t cell,
                   float* out) const;

  std::size_t rows_ = 0;
  std::size_t cols_ = 0;
  CodeForm form_ = CodeForm::kBF16;
  Tensor values_;                    // unquantised
  std::vector<std::uint8_t> codes_;  // row by row
  std::size_t row_bytes_ = 0;
  std::vector<float> table_;
  Tensor vectors_;               // a codebook of several elements an entry ...
  std::size_t code_length_ = 1;  // ... and how many
  std::size_t code_bytes_ = 1;   // of its indices
  std::vector<float> scales_;
  std::vector<float> addends_;  // as many, or none
  std::size_t block_rows_ = 1;  // rows that share cells
  std::size_t row_cells_ = 1;   // cells of one row
  std::size_t flat_block_ = 0;  // of a flat grid; 0: `runs_` tells
  std::vector<Run> runs_;
  std::vector<std::int32_t> order_;  // the input that each column uses
  std::vector<float> multiplier_;    // by input
};

// out[t x out_stride + r] = row r of the matrix times inputs t, which are prepared.
void multiply(const RunMatrix& matrix, std::span<const float> inputs, std::size_t tokens,
              float* out, std::size_t out_stride);

}  // namespace requant::kernel
