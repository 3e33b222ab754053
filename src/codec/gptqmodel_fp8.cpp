// GPTQModel's FP8, weight_scale_semantics "inverse". Its weight_scale_inv really is an inverse, and
// divides: the same names as transformers' have the opposite meaning.
//
//   weight            F8_E4M3 | F8_E5M2   [out, in]
//   weight_scale_inv  F32 | BF16 | F16    [] | [out] | [ceil(out/m), ceil(in/n)]
//
// W = weight / weight_scale_inv. The neutral form has scales of 1 under an outer scale that
// divides: a reciprocal would not come back.

#include <fmt/format.h>

#include <algorithm>

#include "codec/codec.h"
#include "codec/grid_shape.h"
#include "codec/parts.h"
#include "codec/scaled.h"

namespace requant {
namespace {

bool holds(const Scheme& s) {
  if (!s.outer || s.outer->orientation != Orientation::kDivisor || s.outer->grid != s.grid ||
      s.input_multiplier || s.scale_dtype != DType::kF32) {
    return false;
  }
  Scheme plain = s;
  plain.outer.reset();
  plain.scale_dtype = s.outer->dtype;
  return holds_scaled(plain) && s.element != Element::kInt &&
         s.activations.kind == ActivationKind::kNone && s.outer->dtype != DType::kF8E8M0;
}

std::optional<Scheme> scheme_of(const WeightParts& parts, const Scheme& declared) {
  // Shapes cannot tell it from transformers' layout: the config has to.
  if (!declared.outer || declared.outer->orientation != Orientation::kDivisor) return std::nullopt;
  const Tensor* weight = find_part(parts, "weight");
  const Tensor* scale = find_part(parts, "weight_scale_inv");
  if (weight == nullptr || scale == nullptr || weight->shape.size() != 2) return std::nullopt;
  const auto element = element_of(weight->dtype);
  const auto grid = grid_of_shape(scale->shape, weight->shape[0], weight->shape[1], declared.grid);
  if (!element || !grid) return std::nullopt;
  Scheme scheme;
  scheme.element = *element;
  scheme.grid = *grid;
  scheme.outer =
      OuterScale{.dtype = scale->dtype, .grid = *grid, .orientation = Orientation::kDivisor};
  return holds(scheme) ? std::optional(scheme) : std::nullopt;
}

Result<Tensor> ones(Shape shape) {
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kF32, std::move(shape)));
  std::ranges::fill(out.as<float>(), 1.0F);
  return std::move(out).finish();
}

Result<QuantizedWeight> decode(const WeightParts& parts, const Scheme& scheme) {
  if (!holds(scheme)) return refused("gptqmodel-fp8 does not hold " + describe(scheme));
  RQ_TRY(const Tensor weight, require_part(parts, "weight"));
  if (element_of(weight.dtype) != scheme.element || weight.shape.size() != 2 ||
      weight.bytes.empty()) {
    return unexpected("weight", weight, fmt::format("{} [out, in]", name_of(scheme.element)));
  }
  QuantizedWeight out;
  out.scheme = scheme;
  out.rows = weight.shape[0];
  out.cols = weight.shape[1];
  out.codes = relabel(weight, DType::kU8, weight.shape);
  const Shape grid = {scheme.grid.rows_of(out.rows, out.cols),
                      scheme.grid.cols_of(out.rows, out.cols)};
  RQ_TRY(out.outer_scales, require_shaped(parts, "weight_scale_inv", scheme.outer->dtype, grid));
  RQ_TRY(out.scales, ones(grid));
  RQ_CHECK(validate(out));
  return out;
}

}  // namespace

extern const Codec k_codec_gptqmodel_fp8;
const Codec k_codec_gptqmodel_fp8 = {
    .name = "gptqmodel-fp8",
    .long_name = "GPTQModel FP8, weight_scale_inv divides",
    .source = "GPTQModel gptqmodel/nn_modules/qlinear/fp8.py@7.7.0",
    .holds = holds,
    .scheme_of = scheme_of,
    .decode = decode,
};

}  // namespace requant
