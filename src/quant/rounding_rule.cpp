#include "quant/rounding_rule.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "tensor/float_formats.h"

namespace requant {
namespace {

struct MicroElement {
  int largest_exponent;  // of the element's largest value
  float carries_from;  // from this fraction of a power of two on, a magnitude counts as that power
};

MicroElement micro_element(Element element) {
  switch (element) {
    case Element::kE2M1:
      return {2, 0.875F};
    case Element::kE2M3:
      return {2, 0.96875F};
    case Element::kE3M2:
      return {4, 0.9375F};
    case Element::kE5M2:
      return {15, 0.875F};
    default:
      return {8, 0.875F};
  }
}

}  // namespace

CodeRange code_range(const Scheme& scheme) {
  switch (scheme.element) {
    case Element::kE4M3Fn:
      return {-kLargestE4M3, kLargestE4M3};
    case Element::kE5M2:
      return {-57344, 57344};
    case Element::kE2M1:
      return {-6, 6};
    case Element::kE2M3:
      return {-7.5F, 7.5F};
    case Element::kE3M2:
      return {-28, 28};
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

void load_f32(const Tensor& weight, std::size_t first, std::span<float> out) {
  if (weight.dtype == DType::kF32) {
    std::memcpy(out.data(), weight.as<float>().data() + first, out.size_bytes());
    return;
  }
  const std::uint16_t* from = weight.as<std::uint16_t>().data() + first;
  const auto convert = weight.dtype == DType::kBF16 ? bf16_to_f32 : f16_to_f32;
  std::transform(from, from + out.size(), out.data(), convert);
}

std::uint8_t bits_of(Element element, float value) {
  switch (element) {
    case Element::kE4M3Fn:
      return f32_to_e4m3fn(value);
    case Element::kE5M2:
      return f32_to_e5m2(value);
    case Element::kE2M1:
      return f32_to_e2m1(value);
    case Element::kE2M3:
      return f32_to_e2m3(value);
    case Element::kE3M2:
      return f32_to_e3m2(value);
    default:
      return static_cast<std::uint8_t>(static_cast<std::int8_t>(std::nearbyint(value)));
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
  const MicroElement micro = micro_element(element);
  const int power = exponent - 1 + (fraction >= micro.carries_from ? 1 : 0);
  return std::clamp(power - micro.largest_exponent + 127, 0, 254);
}

}  // namespace requant
