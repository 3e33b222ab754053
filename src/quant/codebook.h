#pragma once

#include <span>
#include <string_view>

#include "base/result.h"
#include "tensor/tensor.h"

namespace requant {

// The tables of values that codes point into where a scheme names one (Scheme::codebook):
//
//   "nf4"       16 values, ascending     QLoRA's quantiles of a normal distribution
//   "fp4"       16 values, by bits       sign, two bits of exponent, one of mantissa; divided by 12
//   "dynamic8"  256 values, ascending    bitsandbytes' dynamic map, for scales of scales
//
// as bitsandbytes 0.50.2 has them (functional.py: get_4bit_type, create_dynamic_map). Empty for any
// other name.
std::span<const float> codebook_named(std::string_view name);

// "iq4_nl", F32 [16], ascending: ggml's IQ4_NL and IQ4_XS (ggml-common.h: kvalues_iq4nl).
Result<Tensor> iq4_codebook();

}  // namespace requant
