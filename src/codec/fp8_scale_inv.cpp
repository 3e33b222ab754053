// FP8 of transformers and DeepSeek (quant_method fp8). The name of the scale lies: it multiplies.
//
//   weight            F8_E4M3 | F8_E5M2             [out, in]
//   weight_scale_inv  F32 | BF16 | F16 | F8_E8M0    [ceil(out/m), ceil(in/n)] | []
//   activation_scale  F32                           []; only static activations
//
// W = weight x weight_scale_inv. E8M0 may be stored as U8.

#include "codec/codec.h"
#include "codec/scaled.h"

namespace requant {
namespace {

bool holds_here(const Scheme& s) { return s.element != Element::kInt; }

constexpr ScaledLayout kLayout = {.codec = "fp8-scale-inv",
                                  .holds = holds_here,
                                  .scale = "weight_scale_inv",
                                  .input_scale = "activation_scale"};

bool holds(const Scheme& s) { return holds_scaled(s) && holds_here(s) && !s.input_multiplier; }

std::optional<Scheme> scheme_of(const WeightParts& parts, const Scheme& declared) {
  return scaled_scheme_of(kLayout, parts, declared);
}
Result<QuantizedWeight> decode(const WeightParts& parts, const Scheme& scheme) {
  return decode_scaled(kLayout, parts, scheme);
}
Result<std::vector<PartSpec>> layout(const Scheme& scheme, std::int64_t rows, std::int64_t cols) {
  return scaled_specs(kLayout, scheme, rows, cols);
}
Result<WeightParts> encode(const QuantizedWeight& weight) { return encode_scaled(kLayout, weight); }

}  // namespace

extern const Codec k_codec_fp8_scale_inv;
const Codec k_codec_fp8_scale_inv = {
    .name = "fp8-scale-inv",
    .long_name = "transformers and DeepSeek FP8, weight_scale_inv",
    .source = "huggingface/transformers integrations/finegrained_fp8.py@5.17.0",
    .holds = holds,
    .scheme_of = scheme_of,
    .decode = decode,
    .layout = layout,
    .encode = encode,
};

}  // namespace requant
