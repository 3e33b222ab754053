// GPTQ v1 (codec/gptq_layout.h) as GPTQModel and auto-round write it: one subtraction a word, in
// which a zero point of 0 borrows from its neighbour.

#include "codec/codec.h"
#include "codec/gptq_layout.h"

namespace requant {
namespace {

constexpr GptqRules kRules = {.name = "gptq-words", .zeros = GptqZeros::kWordMinusOne};

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

extern const Codec k_codec_gptq_words;
const Codec k_codec_gptq_words = {
    .name = "gptq-words",
    .long_name = "GPTQ v1 of GPTQModel: zero points minus one, word by word",
    .source = "ModelCloud/GPTQModel gptqmodel/utils/model.py@f4c327a1",
    .holds = holds,
    .scheme_of = scheme_of,
    .decode = decode,
    .layout = layout,
    .encode = encode,
};

}  // namespace requant
