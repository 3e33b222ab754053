#pragma once

#include "base/result.h"
#include "quant/quantized_weight.h"

namespace requant {

// True for schemes of a named codebook of 16 values ("nf4", "fp4") on flat blocks, with F32 scales,
// or with U8 ones that point into the dynamic map under F32 outer scales.
bool can_round_to_codebook(const Scheme& scheme);

// `weight` as the nearest entries of the codebook, each block divided by its largest magnitude.
// Arithmetic and ties are those of bitsandbytes 0.50.2 on a CPU (backends/default/ops.py), but the
// mean of the scales, which nested ones are relative to, is rounded once. The dtype of `weight`
// goes into dialect_private as "dtype", its name as text. REQUIRES: can_round_to_codebook().
Result<QuantizedWeight> round_to_codebook(const Tensor& weight, const Scheme& scheme);

}  // namespace requant
