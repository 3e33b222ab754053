// checkpoint_format marlin of AutoGPTQ (codec/marlin_layout.h): B and s.

#include "codec/codec.h"
#include "codec/marlin_layout.h"

namespace requant {
namespace {

constexpr MarlinNames kNames = {.codec = "gptq-marlin", .codes = "B", .scales = "s"};

std::optional<Scheme> scheme_of(const WeightParts& parts, const Scheme& declared) {
  return marlin_scheme_of(kNames, parts, declared);
}

Result<QuantizedWeight> decode(const WeightParts& parts, const Scheme& scheme) {
  return marlin_decode(kNames, parts, scheme);
}

Result<std::vector<PartSpec>> layout(const Scheme& scheme, std::int64_t rows, std::int64_t cols) {
  return marlin_layout(kNames, scheme, rows, cols);
}

Result<WeightParts> encode(const QuantizedWeight& weight) { return marlin_encode(kNames, weight); }

}  // namespace

extern const Codec k_codec_gptq_marlin;
const Codec k_codec_gptq_marlin = {
    .name = "gptq-marlin",
    .long_name = "AutoGPTQ's Marlin order, symmetric 4-bit",
    .source = "AutoGPTQ/AutoGPTQ auto_gptq/nn_modules/qlinear/qlinear_marlin.py@0.7.1",
    .holds = marlin_holds,
    .scheme_of = scheme_of,
    .decode = decode,
    .layout = layout,
    .encode = encode,
};

}  // namespace requant
