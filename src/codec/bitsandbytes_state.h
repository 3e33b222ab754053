#pragma once

#include <cstdint>
#include <string>
#include <string_view>

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
  std::string dtype = {};  // of the weight before and after: "bfloat16"; empty: the text has none
};

// Numbers are checked: positive, and small enough that no product of them overflows.
Result<BitsandbytesState> parse_bitsandbytes_state(const Tensor& text);

// The text as bitsandbytes writes it, spaces at its end for as long as dtypes and offsets may be
// longer: sizes are known before the offset is, and a dtype of bfloat16 without nesting needs none.
std::string bitsandbytes_state_text(const BitsandbytesState& state, std::string_view table);

}  // namespace requant
