#include "codec/transform_codes.h"

#include <algorithm>
#include <cmath>

#include "tensor/float_formats.h"

namespace requant {
namespace {

constexpr std::size_t kCodes = 256;

double value_of(Element element, std::uint8_t code) {
  switch (element) {
    case Element::kInt:
      return static_cast<std::int8_t>(code);
    case Element::kE2M1:
      return static_cast<double>(e2m1_to_f32(code & 15));
    case Element::kE4M3Fn:
      return static_cast<double>(e4m3fn_to_f32(code));
    case Element::kE5M2:
      return static_cast<double>(e5m2_to_f32(code));
    default:
      return 0;
  }
}

}  // namespace

CodeNumbers::CodeNumbers(const Scheme& scheme) : element_(scheme.element), bits_(scheme.bits) {
  for (std::size_t i = 0; i < values_.size(); ++i) {
    values_[i] = value_of(element_, static_cast<std::uint8_t>(i));
  }
}

bool CodeNumbers::has_encoder() const {
  return element_ == Element::kInt || element_ == Element::kE2M1 || element_ == Element::kE4M3Fn ||
         element_ == Element::kE5M2;
}

std::uint8_t CodeNumbers::nearest(double value) const {
  switch (element_) {
    case Element::kE2M1:
      return f32_to_e2m1(static_cast<float>(value));
    case Element::kE4M3Fn:
      return f32_to_e4m3fn(static_cast<float>(value));
    case Element::kE5M2:
      return f32_to_e5m2(static_cast<float>(value));
    default: {
      const double limit = 1 << (bits_ - 1);
      const double code = std::clamp(std::nearbyint(value), -limit, limit - 1);
      return static_cast<std::uint8_t>(static_cast<std::int8_t>(code));
    }
  }
}

CodeMap::Step CodeMap::step(std::uint8_t from) const {
  const double before = numbers_.value(from) * from_scale_;
  if (before == 0) return {from, false};
  const std::uint8_t code = numbers_.nearest(before / to_scale_);
  return {code, numbers_.value(code) * to_scale_ != before};
}

std::uint64_t CodeMap::apply(const std::uint8_t* from, std::size_t count, std::uint8_t* to) const {
  std::uint64_t changed = 0;
  const auto take = [&](std::size_t i, Step step) {
    to[i] = step.code;
    changed += step.changes ? 1 : 0;
  };
  if (count < kCodes) {
    for (std::size_t i = 0; i < count; ++i) take(i, step(from[i]));
    return changed;
  }
  std::array<Step, kCodes> steps;
  for (std::size_t i = 0; i < kCodes; ++i) steps[i] = step(static_cast<std::uint8_t>(i));
  for (std::size_t i = 0; i < count; ++i) take(i, steps[from[i]]);
  return changed;
}

}  // namespace requant
