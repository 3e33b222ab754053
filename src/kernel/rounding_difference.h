#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernel/compare_codes.h"
#include "kernel/round_blocks.h"
#include "quant/quantized_weight.h"

namespace requant {

// How far ggml's blocks are from the values that they were rounded from, row by row: what compare()
// would find afterwards.
class RoundingDifference {
 public:
  // REQUIRES: rounds_as_ggml(scheme); `codebook` is empty where the scheme has none.
  RoundingDifference(const Scheme& scheme, std::int64_t cols, const Tensor& codebook);

  // A row that is rounded already; its values are finite.
  void add(std::size_t index, const kernel::RoundBlocks& row);
  void merge(const RoundingDifference& other);

  // Nothing where a scale is infinite: compare() has to look.
  std::optional<Difference> result() const;

 private:
  void load_scales(const kernel::RoundBlocks& row);
  void note_first(std::size_t index, const kernel::CompareCodes& row);

  Scheme scheme_;
  std::vector<float> codebook_;
  std::vector<double> scales_;  // of the groups of a row
  std::vector<double> minima_;
  kernel::CodeDifference seen_;
  std::size_t first_row_ = SIZE_MAX;
  std::string first_;
  bool is_odd_ = false;
};

}  // namespace requant
