// NVFP4 as ModelOpt stores it. Its second scale multiplies; compressed-tensors' divides.
//
//   weight           U8       [out, in / 2]   E2M1, low nibble first
//   weight_scale     F8_E4M3  [out, in / 16]
//   weight_scale_2   F32      []
//   input_scale      F32      []              absent where activations are not quantised
//   pre_quant_scale  BF16     [in]            NVFP4_AWQ; multiplies the input
//
// W = weight x weight_scale x weight_scale_2.

#include <fmt/format.h>

#include "codec/codec.h"
#include "codec/packed_codes.h"
#include "codec/parts.h"
#include "codec/scaled.h"

namespace requant {
namespace {

constexpr std::int64_t kGroup = 16;

// Groups of 16 get their scale at run time, under the static input_scale.
Activations nvfp4_activations() {
  return {.kind = ActivationKind::kDynamic,
          .element = Element::kE2M1,
          .bits = 4,
          .granularity = Granularity::kGroup,
          .group = kGroup};
}

bool has_input_scale(const Scheme& s) { return s.activations.kind != ActivationKind::kNone; }

bool holds(const Scheme& s) {
  const bool known_activations = s.activations.kind == ActivationKind::kNone ||
                                 s.activations == nvfp4_activations() ||
                                 s.activations == Activations::static_tensor(Element::kE4M3Fn);
  return s.element == Element::kE2M1 && s.bits == 4 && s.grid == Grid::group(kGroup) &&
         s.scale_dtype == DType::kF8E4M3 && s.outer == OuterScale{} && s.offset == Offset::kNone &&
         !s.permuted && s.rotation.empty() && known_activations;
}

Error not_held(const Scheme& scheme) {
  return refused("modelopt-nvfp4 does not hold " + describe(scheme));
}

std::optional<Scheme> scheme_of(const WeightParts& parts, const Scheme& declared) {
  const Tensor* weight = find_part(parts, "weight");
  const Tensor* scale = find_part(parts, "weight_scale");
  if (weight == nullptr || scale == nullptr || find_part(parts, "weight_scale_2") == nullptr ||
      weight->dtype != DType::kU8 || scale->dtype != DType::kF8E4M3 || weight->shape.size() != 2 ||
      weight->shape[0] < 1 || weight->shape[1] < 8 || weight->shape[1] % 8 != 0 ||
      scale->shape != Shape{weight->shape[0], weight->shape[1] / 8}) {
    return std::nullopt;
  }
  Scheme scheme;
  scheme.element = Element::kE2M1;
  scheme.bits = 4;
  scheme.grid = Grid::group(kGroup);
  scheme.scale_dtype = DType::kF8E4M3;
  scheme.outer = OuterScale{};
  if (find_part(parts, "input_scale") != nullptr) {
    const Activations fp8 = Activations::static_tensor(Element::kE4M3Fn);
    scheme.activations = declared.activations == fp8 ? fp8 : nvfp4_activations();
  }
  if (const Tensor* multiplier = find_part(parts, "pre_quant_scale")) {
    scheme.input_multiplier = true;
    scheme.multiplier_dtype = multiplier->dtype;
  }
  return scheme;
}

Result<QuantizedWeight> decode(const WeightParts& parts, const Scheme& scheme) {
  if (!holds(scheme)) return not_held(scheme);
  RQ_TRY(const Tensor weight, require_part(parts, "weight"));
  if (weight.dtype != DType::kU8 || weight.shape.size() != 2 || weight.bytes.empty() ||
      weight.shape[1] % (kGroup / 2) != 0) {
    return unexpected("weight", weight, "U8 [out, in / 2] with whole groups of 16");
  }
  QuantizedWeight out;
  out.scheme = scheme;
  out.rows = weight.shape[0];
  out.cols = 2 * weight.shape[1];
  RQ_TRY(out.scales,
         require_part(parts, "weight_scale", DType::kF8E4M3, {out.rows, out.cols / kGroup}));
  RQ_TRY(out.outer_scales, require_shaped(parts, "weight_scale_2", DType::kF32, {1, 1}));
  RQ_TRY(out.codes, unpack_codes(weight, out.rows, out.cols, 4));
  if (has_input_scale(scheme)) {
    RQ_TRY(out.input_scale, require_input_scale(parts, "input_scale"));
  }
  if (scheme.input_multiplier) {
    RQ_TRY(out.input_multiplier,
           require_part(parts, "pre_quant_scale", scheme.multiplier_dtype, {out.cols}));
  }
  RQ_CHECK(validate(out));
  return out;
}

Result<std::vector<PartSpec>> layout(const Scheme& scheme, std::int64_t rows, std::int64_t cols) {
  if (!holds(scheme)) return not_held(scheme);
  if (cols % kGroup != 0) {
    return refused(fmt::format("modelopt-nvfp4 needs whole groups of 16 inputs, not {}", cols));
  }
  std::vector<PartSpec> specs = {{"weight", DType::kU8, {rows, cols / 2}},
                                 {"weight_scale", DType::kF8E4M3, {rows, cols / kGroup}},
                                 {"weight_scale_2", DType::kF32, {}}};
  if (has_input_scale(scheme)) specs.push_back({"input_scale", DType::kF32, {}});
  if (scheme.input_multiplier) {
    specs.push_back({"pre_quant_scale", scheme.multiplier_dtype, {cols}});
  }
  return specs;
}

Result<WeightParts> encode(const QuantizedWeight& weight) {
  RQ_CHECK(validate(weight));
  RQ_TRY(const auto specs, layout(weight.scheme, weight.rows, weight.cols));
  if (has_input_scale(weight.scheme) == weight.input_scale.empty()) {
    return refused(
        "modelopt-nvfp4 has an input_scale where activations are quantised, and only there");
  }
  WeightParts parts;
  RQ_TRY(parts["weight"], pack_codes(weight.codes, 4));
  parts["weight_scale"] = weight.scales;
  parts["weight_scale_2"] = relabel(weight.outer_scales, DType::kF32, {});
  if (has_input_scale(weight.scheme)) {
    RQ_TRY(const Tensor scale, to_f32(weight.input_scale));
    parts["input_scale"] = relabel(scale, DType::kF32, {});
  }
  if (weight.scheme.input_multiplier) parts["pre_quant_scale"] = weight.input_multiplier;
  return parts;
}

}  // namespace

extern const Codec k_codec_modelopt_nvfp4;
const Codec k_codec_modelopt_nvfp4 = {
    .name = "modelopt-nvfp4",
    .long_name = "ModelOpt NVFP4",
    .source = "nvidia-modelopt torch/quantization/qtensor/nvfp4_tensor.py@0.47.0",
    .holds = holds,
    .scheme_of = scheme_of,
    .decode = decode,
    .layout = layout,
    .encode = encode,
};

}  // namespace requant
