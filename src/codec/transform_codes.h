#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "quant/scheme.h"

namespace requant {

// What the codes of a scheme are worth, and the nearest code of a number. Codes are bytes: bit
// patterns, or signed integers.
class CodeNumbers {
 public:
  explicit CodeNumbers(const Scheme& scheme);
  // False for elements that nothing is rounded to: codebooks, e4m3fnuz ...
  bool has_encoder() const;
  double value(std::uint8_t code) const { return values_[code]; }
  // Ties to even; saturates.
  std::uint8_t nearest(double value) const;

 private:
  Element element_;
  int bits_;
  std::array<double, 256> values_ = {};
};

// From a code under one scale to the nearest under another.
class CodeMap {
 public:
  CodeMap(const CodeNumbers& numbers, double from_scale, double to_scale)
      : numbers_(numbers), from_scale_(from_scale), to_scale_(to_scale) {}

  // Rounds `count` codes; the number of those whose value is another afterwards.
  std::uint64_t apply(const std::uint8_t* from, std::size_t count, std::uint8_t* to) const;

 private:
  struct Step {
    std::uint8_t code;
    bool changes;
  };
  Step step(std::uint8_t from) const;

  const CodeNumbers& numbers_;
  double from_scale_;
  double to_scale_;
};

}  // namespace requant
