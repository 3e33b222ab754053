#pragma once

#include <span>

#include "base/result.h"
#include "quant/quantized_weight.h"

namespace requant {

// `weight`, F32, BF16 or F16 [rows, cols], as ggml's own quantiser rounds it to a block type
// (ggml/src/ggml-quants.c, ggml_quantize_chunk): bit for bit the same codes and scales. `scheme` is
// that of Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, TQ1_0, TQ2_0, MXFP4, Q2_K to Q6_K, IQ4_NL or IQ4_XS, which
// rounds_as_ggml() tells. `importance` has a number for each input, finite and not below 0, or is
// empty; Q8_0, TQ1_0, TQ2_0 and MXFP4 are the same with one. kRefused for other schemes and for NaN
// and infinity.
struct RoundedAsGgml {
  QuantizedWeight weight;
  Difference difference;  // from the values
};
Result<RoundedAsGgml> round_as_ggml(const Tensor& weight, const Scheme& scheme,
                                    std::span<const float> importance = {});
bool rounds_as_ggml(const Scheme& scheme);

}  // namespace requant
