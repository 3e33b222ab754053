#pragma once

#include <cstdint>
#include <span>

#include "quant/quantized_weight.h"

namespace requant {

// The rows of a weight of which each value is a double, exactly: an unquantised one, and integers
// or small codebooks under F16 scales, or under integer scales and F16 ones over those, as the
// blocks of ggml are. What RowReader reads, many times as fast.
class PlainRows {
 public:
  // REQUIRES: validate(weight). False also where a number is infinite or none.
  static bool can_read(const QuantizedWeight& weight);

  // REQUIRES: can_read(weight); the weight outlives this.
  explicit PlainRows(const QuantizedWeight& weight);

  void read(std::int64_t row, std::span<double> out) const;

 private:
  void read_dense(std::size_t first, std::span<double> out) const;
  void read_groups(std::int64_t row, std::span<double> out) const;

  const QuantizedWeight& weight_;
  double values_[256] = {};  // of codes
};

}  // namespace requant
