// AutoAWQ version marlin (codec/marlin_layout.h): qweight and scales, no qzeros.

#include "codec/codec.h"
#include "codec/marlin_layout.h"

namespace requant {
namespace {

constexpr MarlinNames kNames = {.codec = "awq-marlin", .codes = "qweight", .scales = "scales"};

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

extern const Codec k_codec_awq_marlin;
const Codec k_codec_awq_marlin = {
    .name = "awq-marlin",
    .long_name = "AutoAWQ's Marlin order, symmetric 4-bit",
    .source = "casper-hansen/AutoAWQ awq/modules/linear/marlin.py@0.2.9",
    .holds = marlin_holds,
    .scheme_of = scheme_of,
    .decode = decode,
    .layout = layout,
    .encode = encode,
};

}  // namespace requant
