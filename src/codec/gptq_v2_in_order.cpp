// GPTQ v2 (codec/gptq_layout.h) as auto-round writes it: without g_idx.

#include "codec/codec.h"
#include "codec/gptq_layout.h"

namespace requant {
namespace {

constexpr GptqRules kRules = {
    .name = "gptq-v2-in-order", .zeros = GptqZeros::kAsIs, .in_order = true};

bool holds(const Scheme& scheme) { return gptq_holds(kRules, scheme); }

std::optional<Scheme> scheme_of(const WeightParts& parts, const Scheme& declared) {
  return gptq_scheme_of(kRules, parts, declared);
}

Result<QuantizedWeight> decode(const WeightParts& parts, const Scheme& scheme) {
  return gptq_decode(kRules, parts, scheme);
}

Result<std::vector<PartSpec>> layout(const Scheme& scheme, std::int64_t rows, std::int64_t cols) {
  return gptq_layout(kRules, scheme, rows, cols);
}

Result<WeightParts> encode(const QuantizedWeight& weight) { return gptq_encode(kRules, weight); }

}  // namespace

extern const Codec k_codec_gptq_v2_in_order;
const Codec k_codec_gptq_v2_in_order = {
    .name = "gptq-v2-in-order",
    .long_name = "GPTQ v2 without g_idx: groups in order",
    .source = "intel/auto-round auto_round/export/export_to_autoround/export.py@0.15.1",
    .holds = holds,
    .scheme_of = scheme_of,
    .decode = decode,
    .layout = layout,
    .encode = encode,
};

}  // namespace requant
