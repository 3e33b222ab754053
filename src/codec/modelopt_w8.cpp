// ModelOpt's layouts of 8-bit codes, which Quark's FP8 shares.
//
//   weight           F8_E4M3 | I8      [out, in]
//   weight_scale     F32 | BF16 | F16  [] | [out] | [out / 128, 1, in / 128, 1]
//   input_scale      F32               []; only static activations
//   pre_quant_scale  BF16              [in]; multiplies the input, SmoothQuant
//
// W = weight x weight_scale.

#include "codec/codec.h"
#include "codec/scaled.h"

namespace requant {
namespace {

bool holds_here(const Scheme& s) {
  const bool is_code = s.element == Element::kInt || s.element == Element::kE4M3Fn;
  const bool is_block = s.grid.block_rows > 1 && s.grid.block_cols > 1;
  return is_code && (s.grid.is_tensor() || s.grid.is_channel() || is_block) &&
         s.scale_dtype != DType::kF8E8M0;
}

constexpr ScaledLayout kLayout = {.codec = "modelopt-w8",
                                  .holds = holds_here,
                                  .scale = "weight_scale",
                                  .input_scale = "input_scale",
                                  .multiplier = "pre_quant_scale",
                                  .column = false,
                                  .spaced_blocks = true};

bool holds(const Scheme& s) { return holds_scaled(s) && holds_here(s); }

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

extern const Codec k_codec_modelopt_w8;
const Codec k_codec_modelopt_w8 = {
    .name = "modelopt-w8",
    .long_name = "ModelOpt FP8 and INT8, one code a byte",
    .source = "nvidia-modelopt torch/export/quant_utils.py@0.47.0",
    .holds = holds,
    .scheme_of = scheme_of,
    .decode = decode,
    .layout = layout,
    .encode = encode,
};

}  // namespace requant
