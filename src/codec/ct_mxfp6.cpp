// compressed-tensors mxfp6-pack-quantized: four e2m3 codes in three bytes, the lowest bits first.

#include "codec/codec.h"
#include "codec/ct_mx.h"

namespace requant {
namespace {

constexpr MxLayout kLayout = {"ct-mxfp6", Element::kE2M3, "weight_packed", DType::kU8};

bool holds(const Scheme& scheme) { return holds_mx(kLayout, scheme); }

std::optional<Scheme> scheme_of(const WeightParts& parts, const Scheme& declared) {
  return scheme_of_mx(kLayout, parts, declared);
}

Result<QuantizedWeight> decode(const WeightParts& parts, const Scheme& scheme) {
  return decode_mx(kLayout, parts, scheme);
}

Result<std::vector<PartSpec>> layout(const Scheme& scheme, std::int64_t rows, std::int64_t cols) {
  return parts_of_mx(kLayout, scheme, rows, cols);
}

Result<WeightParts> encode(const QuantizedWeight& weight) { return encode_mx(kLayout, weight); }

}  // namespace

extern const Codec k_codec_ct_mxfp6;
const Codec k_codec_ct_mxfp6 = {
    .name = "ct-mxfp6",
    .long_name = "compressed-tensors mxfp6-pack-quantized",
    .source = "vllm-project/compressed-tensors compressors/mxfp6@0.20.0",
    .holds = holds,
    .scheme_of = scheme_of,
    .decode = decode,
    .layout = layout,
    .encode = encode,
};

}  // namespace requant
