#pragma once

#include <span>
#include <string_view>

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

}  // namespace requant
