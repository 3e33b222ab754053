#include "quant/exact.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

namespace requant {
namespace {

struct Sum {
  double value = 0;
  double error = 0;  // value + error is exact
};

// Knuth's TwoSum.
Sum two_sum(double a, double b) {
  const double value = a + b;
  const double from_b = value - a;
  return {value, (a - (value - from_b)) + (b - from_b)};
}

Sum two_product(double a, double b) {
  const double value = a * b;
  return {value, std::isfinite(value) ? std::fma(a, b, -value) : 0};
}

// What plain arithmetic says, for values with infinities, NaNs and divisions by zero.
double plain(const ExactValue& v) { return (v.high + v.low + v.addend) / v.divisor; }

bool special(const ExactValue& v) {
  return !std::isfinite(v.high) || !std::isfinite(v.addend) || !std::isfinite(v.divisor) ||
         v.divisor == 0;
}

// value + error, with |error| at most a step of value, rounded to odd.
double to_odd(double value, double error) {
  if (error == 0) return value;
  const auto bits = std::bit_cast<std::uint64_t>(value);
  const bool outwards = (error > 0) == (value > 0);
  return std::bit_cast<double>((outwards ? bits : bits - 1) | 1);
}

double odd_f64(const ExactValue& v) {
  if (special(v)) return plain(v);
  if (v.divisor != 1) {
    const double quotient = v.high / v.divisor;
    // high / divisor - quotient has the sign of the exact remainder over the divisor.
    const double remainder = std::fma(-quotient, v.divisor, v.high);
    return to_odd(quotient, v.divisor < 0 ? -remainder : remainder);
  }
  if (v.low == 0 && v.addend == 0) return v.high;  // keeps the sign of zero
  const Sum coarse = two_sum(v.high, v.addend);
  const Sum fine = two_sum(coarse.error, v.low);
  const Sum all = two_sum(coarse.value, fine.value);
  return to_odd(all.value, all.error != 0 ? all.error : fine.error);
}

// Adds exact terms without rounding (Shewchuk's expansions) to tell whether they cancel.
class ZeroTest {
 public:
  void add(double term) {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < size_; ++i) {
      const Sum sum = two_sum(term, parts_[i]);
      if (sum.error != 0) parts_[kept++] = sum.error;
      term = sum.value;
    }
    if (term != 0) parts_[kept++] = term;
    size_ = kept;
  }
  void add_product(double a, double b) {
    const Sum product = two_product(a, b);
    add(product.error);
    add(product.value);
  }
  bool is_zero() const { return size_ == 0; }

 private:
  std::array<double, 16> parts_ = {};  // at most one for each of the 12 terms
  std::size_t size_ = 0;
};

}  // namespace

ExactValue exact_product(double code, double scale, double outer) {
  const Sum product = two_product(code * scale, outer);
  return {.high = product.value, .low = product.error};
}

float nearest_f32(const ExactValue& value) { return static_cast<float>(odd_f64(value)); }

float odd_f32(const ExactValue& value) {
  const double wide = odd_f64(value);
  const auto near = static_cast<float>(wide);
  if (static_cast<double>(near) == wide || !std::isfinite(wide)) return near;
  if (std::isinf(near)) return near;
  const auto bits = std::bit_cast<std::uint32_t>(near);
  const bool outwards = std::fabs(wide) > std::fabs(static_cast<double>(near));
  return std::bit_cast<float>((outwards ? bits : bits - 1) | 1);
}

bool same_number(const ExactValue& a, const ExactValue& b) {
  if (special(a) || special(b)) {
    const auto x = static_cast<float>(plain(a));
    const auto y = static_cast<float>(plain(b));
    if (special(a) != special(b) && !std::isnan(x)) return false;
    return std::isnan(x) ? std::bit_cast<std::uint32_t>(x) == std::bit_cast<std::uint32_t>(y)
                         : x == y;
  }
  if (a.divisor == b.divisor && a.addend == 0 && b.addend == 0) {
    return a.high == b.high && a.low == b.low;
  }
  ZeroTest difference;
  for (const double term : {a.high, a.low, a.addend}) difference.add_product(term, b.divisor);
  for (const double term : {b.high, b.low, b.addend}) difference.add_product(-term, a.divisor);
  return difference.is_zero();
}

}  // namespace requant
