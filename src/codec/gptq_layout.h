#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "codec/codec.h"

namespace requant {

// What the GPTQ layouts have in common:
//
//   qweight  I32               [in x b / 32, out]
//   qzeros   I32               [groups, out x b / 32]
//   scales   F16 | BF16 | F32  [groups, out]
//   g_idx    I32               [in]  group of each input; may be absent where it is k / g
//
// W = (code - zero) x scale, codes and zeros 0 to 2^b - 1. The neutral form has both minus 2^(b-1).

// How a zero point z stands in `qzeros`.
enum class GptqZeros : std::uint8_t {
  kFieldMinusOne,  // v1: each field is z - 1, modulo 2^b
  kWordMinusOne,   // v1 as GPTQModel writes it: words of z from which a constant was subtracted, so
                   // that a z of 0 borrows from the field above
  kAsIs,           // v2
};

struct GptqRules {
  std::string_view name;
  GptqZeros zeros = GptqZeros::kAsIs;
  bool in_order = false;  // groups are in order, and g_idx is left out
  bool planar = false;    // every 32 codes are planes of 4, 2 and 1 bits, not one stream
};

// A zero point of 0, which readers of v1 do not read alike, is for gptq_encode() to refuse.
bool gptq_holds(const GptqRules& rules, const Scheme& scheme);
std::optional<Scheme> gptq_scheme_of(const GptqRules& rules, const WeightParts& parts,
                                     const Scheme& declared);
Result<QuantizedWeight> gptq_decode(const GptqRules& rules, const WeightParts& parts,
                                    const Scheme& scheme);
Result<std::vector<PartSpec>> gptq_layout(const GptqRules& rules, const Scheme& scheme,
                                          std::int64_t rows, std::int64_t cols);
Result<WeightParts> gptq_encode(const GptqRules& rules, const QuantizedWeight& weight);

// The codec of some rules: `constexpr GptqRules kRules = ...; GptqCodec<kRules>::codec(...)`.
template <const GptqRules& kRules>
struct GptqCodec {
  static bool holds(const Scheme& scheme) { return gptq_holds(kRules, scheme); }
  static std::optional<Scheme> scheme_of(const WeightParts& parts, const Scheme& declared) {
    return gptq_scheme_of(kRules, parts, declared);
  }
  static Result<QuantizedWeight> decode(const WeightParts& parts, const Scheme& scheme) {
    return gptq_decode(kRules, parts, scheme);
  }
  static Result<std::vector<PartSpec>> layout(const Scheme& scheme, std::int64_t rows,
                                              std::int64_t cols) {
    return gptq_layout(kRules, scheme, rows, cols);
  }
  static Result<WeightParts> encode(const QuantizedWeight& weight) {
    return gptq_encode(kRules, weight);
  }

  struct Words {
    std::string_view long_name;
    std::string_view source;
  };
  static constexpr Codec codec(const Words& words) {
    return {.name = kRules.name,
            .long_name = words.long_name,
            .source = words.source,
            .holds = holds,
            .scheme_of = scheme_of,
            .decode = decode,
            .layout = layout,
            .encode = encode};
  }
};

// `qzeros` -> zero points 0 to 2^b - 1 [groups, out].
std::vector<std::uint8_t> gptq_unpack_zeros(const GptqRules& rules, int bits,
                                            std::span<const std::uint32_t> stored,
                                            std::size_t groups, std::size_t rows);
// And back, `shape` being that of `qzeros`; looks at the bits of the weight's scheme, its rows and
// its zeros, of which none are zero points of 2^(b - 1). kRefused for those that it cannot store.
Result<Tensor> gptq_pack_zeros(const GptqRules& rules, const QuantizedWeight& weight,
                               const Shape& shape);

// What `qzeros` says of its own version, for dialects whose config does not or says otherwise.
// `zeros` is I32 [groups, out x b / 32].
struct GptqZeroEvidence {
  bool symmetric_v1 = false;        // every zero point is 2^(b-1), read as kFieldMinusOne
  bool symmetric_v1_words = false;  // ... as kWordMinusOne
  bool symmetric_v2 = false;        // ... as kAsIs
  bool symmetric_planar = false;    // ... as kAsIs in planes
  bool wraps = false;               // a field is 2^b - 1: in v1 a zero point of 0
};
GptqZeroEvidence gptq_zero_evidence(const Tensor& zeros, int bits);

}  // namespace requant
