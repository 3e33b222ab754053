#pragma once

#include "codec/direct.h"
#include "codec/gptq_layout.h"

// GPTQ's layouts (codec/gptq_layout.h) and pack-quantized (codec/ct_packed.h) without unpacking:
// words of the same codes, transposed. For groups in order.
namespace requant {

Result<std::optional<WeightParts>> gptq_to_ct_pack(const StoredWeight& weight,
                                                   const GptqRules& rules);
Result<std::optional<WeightParts>> ct_pack_to_gptq(const StoredWeight& weight,
                                                   const GptqRules& rules);

// The codec that stores zero points so.
constexpr GptqRules rules_for(GptqZeros zeros) {
  switch (zeros) {
    case GptqZeros::kFieldMinusOne:
      return {.name = "gptq", .zeros = zeros};
    case GptqZeros::kWordMinusOne:
      return {.name = "gptq-words", .zeros = zeros};
    default:
      return {.name = "gptq-v2", .zeros = zeros};
  }
}

template <GptqZeros kZeros>
Result<std::optional<WeightParts>> gptq_to_ct_pack(const StoredWeight& weight) {
  return gptq_to_ct_pack(weight, rules_for(kZeros));
}
template <GptqZeros kZeros>
Result<std::optional<WeightParts>> ct_pack_to_gptq(const StoredWeight& weight) {
  return ct_pack_to_gptq(weight, rules_for(kZeros));
}

}  // namespace requant
