// GPTQ v1 (codec/gptq_layout.h) as AutoGPTQ and most others write it: each zero point minus one.
// Readers disagree on a zero point of 0, so that none is written.

#include "codec/gptq_layout.h"

namespace requant {
namespace {

constexpr GptqRules kRules = {.name = "gptq", .zeros = GptqZeros::kFieldMinusOne};

}  // namespace

extern const Codec k_codec_gptq;
const Codec k_codec_gptq = GptqCodec<kRules>::codec({
    .long_name = "GPTQ v1: zero points minus one, field by field",
    .source = "AutoGPTQ/AutoGPTQ auto_gptq/nn_modules/qlinear/qlinear_cuda.py@0.7.1",
});

}  // namespace requant
