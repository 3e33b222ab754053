#pragma once

#include <cstdint>
#include <span>

#include "quant/scheme.h"

namespace requant {

// Where one block goes that ggml rounds without a search.
struct PlainBlock {
  std::span<const float> values;
  std::uint8_t* codes = nullptr;
  std::uint8_t* scale = nullptr;
  std::uint8_t* minimum = nullptr;
};

// The rounding of Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, TQ1_0, TQ2_0 and MXFP4; nullptr for other schemes.
using PlainRounding = void (*)(const PlainBlock& block);
PlainRounding plain_rounding_of(const Scheme& scheme);

}  // namespace requant
