// GPTQ planar, checkpoint_format gptq_p (codec/gptq_layout.h): codes and zero points in planes,
// zero points as they are.

#include "codec/gptq_layout.h"

namespace requant {
namespace {

constexpr GptqRules kRules = {.name = "gptq-p", .zeros = GptqZeros::kAsIs, .planar = true};

}  // namespace

extern const Codec k_codec_gptq_p;
const Codec k_codec_gptq_p = GptqCodec<kRules>::codec({
    .long_name = "GPTQ planar: 2 to 8 bits in planes of 4, 2 and 1",
    .source = "ModelCloud/GPTQModel gptqmodel/utils/planar_packing.py@f4c327a1",
});

}  // namespace requant
