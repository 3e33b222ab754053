// GPTQ v1 (codec/gptq_layout.h) as AutoGPTQ and most others write it: each zero point minus one.
// Readers disagree on a zero point of 0, so that none is written.

#include "codec/codec.h"
#include "codec/gptq_layout.h"

namespace requant {
namespace {

constexpr GptqRules kRules = {.name = "gptq", .zeros = GptqZeros::kFieldMinusOne};

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

extern const Codec k_codec_gptq;
const Codec k_codec_gptq = {
    .name = "gptq",
    .long_name = "GPTQ v1: zero points minus one, field by field",
    .source = "AutoGPTQ/AutoGPTQ auto_gptq/nn_modules/qlinear/qlinear_cuda.py@0.7.1",
    .holds = holds,
    .scheme_of = scheme_of,
    .decode = decode,
    .layout = layout,
    .encode = encode,
};

}  // namespace requant
