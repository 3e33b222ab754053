// GPTQ v1 (codec/gptq_layout.h) as GPTQModel and auto-round write it: one subtraction a word, in
// which a zero point of 0 borrows from its neighbour.

#include "codec/gptq_layout.h"

namespace requant {
namespace {

constexpr GptqRules kRules = {.name = "gptq-words", .zeros = GptqZeros::kWordMinusOne};

}  // namespace

extern const Codec k_codec_gptq_words;
const Codec k_codec_gptq_words = GptqCodec<kRules>::codec({
    .long_name = "GPTQ v1 of GPTQModel: zero points minus one, word by word",
    .source = "ModelCloud/GPTQModel gptqmodel/utils/model.py@f4c327a1",
});

}  // namespace requant
