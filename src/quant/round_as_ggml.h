#pragma once

#include "base/result.h"
#include "quant/quantized_weight.h"

namespace requant {

// `weight`, F32, BF16 or F16 [rows, cols], as ggml's own quantiser rounds it to a block type
// without an importance matrix (ggml/src/ggml-quants.c, quantize_row_*_ref): bit for bit the same
// codes and scales. `scheme` is that of Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, TQ1_0, TQ2_0 or MXFP4, which
// rounds_as_ggml() tells. kRefused for other schemes and for NaN and infinity.
Result<QuantizedWeight> round_as_ggml(const Tensor& weight, const Scheme& scheme);
bool rounds_as_ggml(const Scheme& scheme);

}  // namespace requant
