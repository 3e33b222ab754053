// GPTQ v2 (codec/gptq_layout.h): zero points as they are.

#include "codec/gptq_layout.h"

namespace requant {
namespace {

constexpr GptqRules kRules = {.name = "gptq-v2", .zeros = GptqZeros::kAsIs};

}  // namespace

extern const Codec k_codec_gptq_v2;
const Codec k_codec_gptq_v2 = GptqCodec<kRules>::codec({
    .long_name = "GPTQ v2: zero points as they are",
    .source = "ModelCloud/GPTQModel gptqmodel/nn_modules/qlinear/__init__.py@f4c327a1",
});

}  // namespace requant
