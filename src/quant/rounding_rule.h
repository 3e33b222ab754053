#pragma once

#include "quant/scheme.h"

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

// What a scale of 0 becomes: torch.finfo(dtype).eps.
float epsilon_of(DType dtype);

// The exponent, biased by 127, of a microscaling block: the power of two at or under its magnitude,
// which counts as the next one from 1.75 on, less that of the element's largest.
int e8m0_exponent(float magnitude, Element element);

}  // namespace requant
