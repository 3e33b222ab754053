#pragma once

#include <cstdint>
#include <optional>

namespace requant {

// Arithmetic on numbers that come from a file. Once an operation overflows, the value is lost and
// every later operation keeps it so:
//   const auto end = Checked(begin) + Checked(rows) * row_bytes;
//   if (!end.value()) return corrupt(...);
class Checked {
 public:
  constexpr explicit Checked(std::uint64_t value) : value_(value) {}
  // A negative number from a file is as wrong as one that overflows.
  static constexpr Checked from_signed(std::int64_t value) {
    return value < 0 ? Checked() : Checked(static_cast<std::uint64_t>(value));
  }

  constexpr std::optional<std::uint64_t> value() const { return value_; }

  friend constexpr Checked operator+(Checked a, Checked b) {
    std::uint64_t sum = 0;
    if (!a.value_ || !b.value_ || __builtin_add_overflow(*a.value_, *b.value_, &sum)) return {};
    return Checked(sum);
  }
  friend constexpr Checked operator*(Checked a, Checked b) {
    std::uint64_t product = 0;
    if (!a.value_ || !b.value_ || __builtin_mul_overflow(*a.value_, *b.value_, &product)) return {};
    return Checked(product);
  }
  friend constexpr Checked operator+(Checked a, std::uint64_t b) { return a + Checked(b); }
  friend constexpr Checked operator*(Checked a, std::uint64_t b) { return a * Checked(b); }

 private:
  constexpr Checked() = default;
  std::optional<std::uint64_t> value_;
};

// ceil(a / b) for b > 0.
constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return a / b + (a % b != 0); }

}  // namespace requant
