#pragma once

#include <cstdint>

#include "quant/exact.h"

namespace requant {

// What one thread, and in the end all of them, has seen of the elements that differ between two
// weights.
struct Tally {
  std::uint64_t elements = 0;
  double max_absolute = 0;
  std::uint64_t max_ulp = 0;  // in F32
  std::int64_t row = -1;      // of the first that differs
  std::int64_t col = -1;
  float left = 0;
  float right = 0;

  // One more element, the first of which is the one that is shown.
  void add(std::int64_t at_row, std::int64_t at_col, const ExactValue& a, const ExactValue& b);
  // How far two values are from each other, whatever their place and number.
  void widen(const ExactValue& a, const ExactValue& b);
  void show(std::int64_t at_row, std::int64_t at_col, const ExactValue& a, const ExactValue& b);
  void merge(const Tally& other);
};

// Neighbouring floats differ by 1, a NaN from everything by 2^32.
std::uint64_t ulps(float a, float b);

}  // namespace requant
