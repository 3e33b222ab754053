#pragma once

#include <optional>

#include "codec/codec.h"

// compressed-tensors pack-quantized: integers of 1 to 8 bits in 32-bit words. Two layouts have this
// name; where 32 is a multiple of the bits they are the same.
//
//   weight_packed      I32               [out, words]  code + 2^(bits - 1)
//   weight_scale       F32 | BF16 | F16  [1] | [out, 1] | [out, in / g]
//   weight_zero_point  I32               [words, in / g]  packed along out, zero + 2^(bits - 1);
//                                        only asymmetric; I8 [1] under a scale [1]
//   weight_g_idx       I32               [in]  the group of each input; all -1: not used
//   weight_shape       I64 | I32         [2]  out, in
namespace requant {

enum class WordFill {
  kStream,  // compressed-tensors from 0.18: ceil(in x bits / 32) words, codes may cross them
  kWhole,   // before: 32 / bits codes to a word; kept for 3, 5, 6 and 7 bits only
};

// Words that `count` codes of 1 to 8 bits fill.
std::int64_t packed_words(std::int64_t count, int bits, WordFill fill);

bool holds_ct_packed(const Scheme& scheme, WordFill fill);

// weight_shape's numbers are looked at where the tensor has its bytes. Without them, and without
// weight_g_idx, the size of the rows is what the declared groups say, if it fits the words.
std::optional<Scheme> scheme_of_ct_packed(const WeightParts& parts, const Scheme& declared,
                                          WordFill fill);

Result<QuantizedWeight> decode_ct_packed(const WeightParts& parts, const Scheme& scheme,
                                         WordFill fill);

}  // namespace requant
