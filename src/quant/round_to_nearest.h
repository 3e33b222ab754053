#pragma once

#include "base/result.h"
#include "quant/quantized_weight.h"

namespace requant {

struct RoundingOptions {
  // Integer codes: of a hundred ranges, from the whole one to a fifth, that of least squared error.
  bool search_scale = false;
  // What an outer scale covers besides the weight itself: the largest magnitude among the weights
  // that are to have the same one.
  float shared_magnitude = 0;
  // Where activations are static, and where nvfp4 has a static scale over dynamic ones: one float,
  // by which a code of theirs is multiplied. Stored as its reciprocal where the scheme divides.
  Tensor input_scale = {};
};

// `weight`, F32, BF16 or F16 [rows, cols], as the nearest codes of `scheme`, whose scales cover the
// largest magnitude (symmetric) or the range with 0 in it (Offset::kZero) of each grid cell.
//
// Arithmetic and rounding are those of compressed-tensors 0.19 (quantization/utils/helpers.py,
// lifecycle/forward_helpers.py): ranges are divided in the weight's own dtype, a scale of 0 becomes
// the dtype's epsilon, codes are x / scale in F32, ties to even. Scales of F32 are not rounded to
// the weight's dtype, outer ones that divide are. An outer scale makes the largest inner one 448
// (E4M3, e2m1 codes); under
// integers it is the largest code, so that the inner ones are the largest magnitudes themselves
// (LLM.int8).
//
// Blocks of e4m3fn with F32 or E8M0 scales are rounded as transformers' writer does it: values are
// multiplied by 448 / largest, the scale is the reciprocal, E8M0 the next power of two above.
//
// For int of 2 to 8 bits and floats of 4, 6 and 8 without permutation, factors of inputs and
// minima, and for named codebooks (round_to_codebook.h). kRefused for other schemes, for weights
// that hold NaN or infinity (with their place), and for a scale that overflows its dtype.
Result<QuantizedWeight> round_to_nearest(const Tensor& weight, const Scheme& scheme,
                                         const RoundingOptions& options = {});

// sum((w - q)^2) over all elements, in double. REQUIRES: the sizes of both agree.
Result<double> squared_error(const Tensor& weight, const QuantizedWeight& quantized);

}  // namespace requant
