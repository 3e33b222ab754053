// GPTQ planar, checkpoint_format gptq_p (codec/gptq_layout.h): codes and zero points in planes,
// zero points as they are.

#include "codec/codec.h"
#include "codec/gptq_layout.h"

namespace requant {
namespace {

constexpr GptqRules kRules = {.name = "gptq-p", .zeros = GptqZeros::kAsIs, .planar = true};

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

extern const Codec k_codec_gptq_p;
const Codec k_codec_gptq_p = {
    .name = "gptq-p",
    .long_name = "GPTQ planar: 2 to 8 bits in planes of 4, 2 and 1",
    .source = "ModelCloud/GPTQModel gptqmodel/utils/planar_packing.py@f4c327a1",
    .holds = holds,
    .scheme_of = scheme_of,
    .decode = decode,
    .layout = layout,
    .encode = encode,
};

}  // namespace requant
