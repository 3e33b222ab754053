// GPTQ v2 (codec/gptq_layout.h) as auto-round writes it: without g_idx.

#include "codec/gptq_layout.h"

namespace requant {
namespace {

constexpr GptqRules kRules = {
    .name = "gptq-v2-in-order", .zeros = GptqZeros::kAsIs, .in_order = true};

}  // namespace

extern const Codec k_codec_gptq_v2_in_order;
const Codec k_codec_gptq_v2_in_order = GptqCodec<kRules>::codec({
    .long_name = "GPTQ v2 without g_idx: groups in order",
    .source = "intel/auto-round auto_round/export/export_to_autoround/export.py@0.15.1",
});

}  // namespace requant
