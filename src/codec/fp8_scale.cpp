// FP8 with one scale for the tensor (AutoFP8, vLLM's fp8) or for each row (fbgemm_fp8).
//
//   weight        F8_E4M3[FNUZ]     [out, in]
//   weight_scale  F32 | BF16 | F16  [1] | [out, 1]
//   input_scale   F32               [1]; only static activations
//
// W = weight x weight_scale. [] and [out] are read as well.

#include "codec/codec.h"
#include "codec/scaled.h"

namespace requant {
namespace {

bool holds_here(const Scheme& s) {
  return (s.element == Element::kE4M3Fn || s.element == Element::kE4M3Fnuz) &&
         (s.grid.is_tensor() || s.grid.is_channel()) && s.scale_dtype != DType::kF8E8M0;
}

constexpr ScaledLayout kLayout = {.codec = "fp8-scale",
                                  .holds = holds_here,
                                  .scale = "weight_scale",
                                  .input_scale = "input_scale",
                                  .one_is_1d = true};

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

extern const Codec k_codec_fp8_scale;
const Codec k_codec_fp8_scale = {
    .name = "fp8-scale",
    .long_name = "FP8 per tensor (AutoFP8) and per row (FBGEMM), weight_scale",
    .source =
        "vllm model_executor/layers/quantization/fp8.py@0.26; transformers fbgemm_fp8.py@5.17.0",
    .holds = holds,
    .scheme_of = scheme_of,
    .decode = decode,
    .layout = layout,
    .encode = encode,
};

}  // namespace requant
