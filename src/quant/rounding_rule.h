#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "quant/scheme.h"
#include "tensor/tensor.h"

// The arithmetic of compressed-tensors' quantiser, number by number
// (quantization/utils/helpers.py and mxfp_utils.py@0.19).
namespace requant {

inline constexpr float kLargestE4M3 = 448;

// The smallest and the largest value of a code.
struct CodeRange {
  float low;
  float high;
};
CodeRange code_range(const Scheme& scheme);

// `value` in that dtype and back; unchanged for F32.
float rounded_to(DType dtype, float value);

// Elements [first, first + out.size()) of a weight of F32, BF16 or F16.
void load_f32(const Tensor& weight, std::size_t first, std::span<float> out);

// The bits of the code of that element (not kCodebook) nearest to `value`, which is in its range.
std::uint8_t bits_of(Element element, float value);

// What a scale of 0 becomes: torch.finfo(dtype).eps.
float epsilon_of(DType dtype);

// The exponent, biased by 127, of a microscaling block: the power of two at or under its magnitude,
// less that of the element's largest. From 1.75 times a power on the next one is taken; for codes
// of 6 bits as AMD Quark does (even_round@0.13), from 1.9375 (e2m3) and 1.875 (e3m2).
int e8m0_exponent(float magnitude, Element element);

}  // namespace requant
