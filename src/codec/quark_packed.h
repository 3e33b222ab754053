#pragma once

#include <optional>
#include <vector>

#include "codec/codec.h"
#include "kernel/awq.h"

namespace requant {

// Quark's 4-bit layout but for the order of the eight outputs in a word, which the config alone
// tells (export.pack_method).
//
//   weight             I32               [in, out / 8]
//   weight_scale       BF16 | F16 | F32  [in / g, out]
//   weight_zero_point  I32               [in / g, out / 8]
//
// W = (weight - weight_zero_point) x weight_scale. uint4 (Offset::kZero) has nibbles 0 to 15, which
// the neutral form has minus 8; int4 (Offset::kNone) has them in two's complement, and zeros of 0,
// which are written.

bool holds_quark_packed(const Scheme& scheme);
std::optional<Scheme> quark_packed_scheme_of(const WeightParts& parts, const Scheme& declared);
Result<std::vector<PartSpec>> quark_packed_layout(const Scheme& scheme, std::int64_t rows,
                                                  std::int64_t cols);
Result<WeightParts> encode_quark_packed(const QuantizedWeight& weight,
                                        const kernel::AwqOrder& order);
Result<QuantizedWeight> decode_quark_packed(const WeightParts& parts, const Scheme& scheme,
                                            const kernel::AwqOrder& order);

}  // namespace requant
