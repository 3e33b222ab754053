// GPTQ v1 (codec/gptq_layout.h) as auto-round writes symmetric weights: without g_idx.

#include "codec/gptq_layout.h"

namespace requant {
namespace {

constexpr GptqRules kRules = {
    .name = "gptq-in-order", .zeros = GptqZeros::kFieldMinusOne, .in_order = true};

}  // namespace

extern const Codec k_codec_gptq_in_order;
const Codec k_codec_gptq_in_order = GptqCodec<kRules>::codec({
    .long_name = "GPTQ v1 without g_idx: groups in order",
    .source = "intel/auto-round auto_round/export/export_to_autoround/export.py@0.15.1",
});

}  // namespace requant
