#pragma once

#include <cstdint>

#include "base/result.h"
#include "tensor/tensor.h"

namespace requant {

// What the JSON beside a 4-bit weight says: X.weight.quant_state.bitsandbytes__nf4, bytes of text.
struct BitsandbytesState {
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t block = 0;         // elements that share one absmax
  std::int64_t nested_block = 0;  // absmax values that share one nested_absmax; 0: not nested
  float nested_offset = 0;
};

// Numbers are checked: positive, and small enough that no product of them overflows.
Result<BitsandbytesState> parse_bitsandbytes_state(const Tensor& text);

}  // namespace requant
