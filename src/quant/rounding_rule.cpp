#include "quant/rounding_rule.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tensor/float_formats.h"

namespace requant {

CodeRange code_range(const Scheme& scheme) {
  switch (scheme.element) {
    case Element::kE4M3Fn:
      return {-kLargestE4M3, kLargestE4M3};
    case Element::kE5M2:
      return {-57344, 57344};
    case Element::kE2M1:
      return {-6, 6};
    default:
      return {static_cast<float>(-(1 << (scheme.bits - 1))),
              static_cast<float>((1 << (scheme.bits - 1)) - 1)};
  }
}

float rounded_to(DType dtype, float value) {
  switch (dtype) {
    case DType::kBF16:
      return bf16_to_f32(f32_to_bf16(value));
    case DType::kF16:
      return f16_to_f32(f32_to_f16(value));
    case DType::kF8E4M3:
      return e4m3fn_to_f32(f32_to_e4m3fn(value));
    default:
      return value;
  }
}

float epsilon_of(DType dtype) {
  switch (dtype) {
    case DType::kBF16:
      return 0x1p-7F;
    case DType::kF16:
      return 0x1p-10F;
    case DType::kF8E4M3:
      return 0x1p-3F;
    default:
      return std::numeric_limits<float>::epsilon();
  }
}

int e8m0_exponent(float magnitude, Element element) {
  if (magnitude == 0) return 0;
  int exponent = 0;
  const float fraction = std::frexp(magnitude, &exponent);  // in [0.5, 1)
  const int power = exponent - 1 + (fraction >= 0.875F ? 1 : 0);
  const int largest = element == Element::kE2M1 ? 2 : 8;
  return std::clamp(power - largest + 127, 0, 254);
}

}  // namespace requant
