// GPTQ v2 (codec/gptq_layout.h): zero points as they are.

#include "codec/codec.h"
#include "codec/gptq_layout.h"

namespace requant {
namespace {

constexpr GptqRules kRules = {.name = "gptq-v2", .zeros = GptqZeros::kAsIs};

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

extern const Codec k_codec_gptq_v2;
const Codec k_codec_gptq_v2 = {
    .name = "gptq-v2",
    .long_name = "GPTQ v2: zero points as they are",
    .source = "ModelCloud/GPTQModel gptqmodel/nn_modules/qlinear/__init__.py@f4c327a1",
    .holds = holds,
    .scheme_of = scheme_of,
    .decode = decode,
    .layout = layout,
    .encode = encode,
};

}  // namespace requant
