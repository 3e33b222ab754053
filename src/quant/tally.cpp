#include "quant/tally.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>

namespace requant {
namespace {

// The order of floats as integers, so that neighbours differ by one.
std::int64_t ordinal(float value) {
  const auto bits = std::bit_cast<std::int32_t>(value);
  return bits >= 0 ? bits : -static_cast<std::int64_t>(bits & 0x7FFFFFFF);
}

double as_double(const ExactValue& value) {
  return (value.high + value.low + value.addend) / value.divisor;
}

}  // namespace

std::uint64_t ulps(float a, float b) {
  if (std::isnan(a) || std::isnan(b)) return std::uint64_t{1} << 32;
  return static_cast<std::uint64_t>(std::abs(ordinal(a) - ordinal(b)));
}

void Tally::widen(const ExactValue& a, const ExactValue& b) {
  // A NaN on one side must not look like no difference.
  const double distance = std::fabs(as_double(a) - as_double(b));
  max_absolute = std::isnan(distance) ? HUGE_VAL : std::max(max_absolute, distance);
  max_ulp = std::max(max_ulp, ulps(nearest_f32(a), nearest_f32(b)));
}

void Tally::show(std::int64_t at_row, std::int64_t at_col, const ExactValue& a,
                 const ExactValue& b) {
  row = at_row;
  col = at_col;
  left = nearest_f32(a);
  right = nearest_f32(b);
}

void Tally::add(std::int64_t at_row, std::int64_t at_col, const ExactValue& a,
                const ExactValue& b) {
  if (elements++ == 0) show(at_row, at_col, a, b);
  widen(a, b);
}

void Tally::merge(const Tally& other) {
  if (other.elements == 0) return;
  if (elements == 0 || other.row < row) {
    row = other.row;
    col = other.col;
    left = other.left;
    right = other.right;
  }
  elements += other.elements;
  max_absolute = std::max(max_absolute, other.max_absolute);
  max_ulp = std::max(max_ulp, other.max_ulp);
}

}  // namespace requant
