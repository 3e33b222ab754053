#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "quant/quantized_weight.h"

namespace requant {

// Rows of one matrix that become rows of another.
struct RowRun {
  std::size_t source = 0;  // which of several matrices
  std::int64_t from = 0;
  std::int64_t from_step = 1;
  std::int64_t to = 0;
  std::int64_t to_step = 1;
  std::int64_t count = 0;
  friend bool operator==(const RowRun&, const RowRun&) = default;
};

// How a matrix is put together from rows of others. Columns keep their places; rows that no run
// gives and columns beyond those of the sources are padding, whose value is 0.
struct Assembly {
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::vector<RowRun> runs;
};

// What is known of a weight without its data.
struct WeightForm {
  Scheme scheme;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
};

// The scheme of what assemble() gives: that of the sources, whose blocks of rows become smaller
// where the matrix cuts them. kRefused where the schemes differ, and where padding cannot be 0;
// kCorrupt for runs that do not fit.
Result<Scheme> assembled_scheme(const Assembly& assembly, std::span<const WeightForm> sources);

// Exact: codes and scales are those of the sources. What the whole matrix shares (one scale, the
// scale of its inputs) has to be the same in all of them: else kRefused.
Result<QuantizedWeight> assemble(const Assembly& assembly,
                                 std::span<const QuantizedWeight> sources);

}  // namespace requant
