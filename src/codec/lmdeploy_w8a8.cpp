// What `lmdeploy lite smooth_quant` writes: 8-bit codes as they are, one scale for each output.
//
//   weight  I8 | F8_E4M3 | F8_E5M2  [out, in]
//   scale   F32                     [out, 1]
//
// W = weight x scale. Activations are quantised at run time, per token, to the same element type.

#include <fmt/format.h>

#include "codec/codec.h"
#include "codec/parts.h"

namespace requant {
namespace {

std::optional<Element> element_of_weight(DType dtype) {
  switch (dtype) {
    case DType::kI8:
      return Element::kInt;
    case DType::kF8E4M3:
      return Element::kE4M3Fn;
    case DType::kF8E5M2:
      return Element::kE5M2;
    default:
      return std::nullopt;
  }
}

Scheme scheme_for(Element element) {
  Scheme scheme;
  scheme.element = element;
  scheme.grid = Grid::channel();
  scheme.activations = Activations::dynamic_token(element);
  return scheme;
}

DType weight_dtype(Element element) { return dtype_of(element).value_or(DType::kI8); }

bool holds(const Scheme& scheme) {
  const bool known = scheme.element == Element::kInt || scheme.element == Element::kE4M3Fn ||
                     scheme.element == Element::kE5M2;
  return known && scheme == scheme_for(scheme.element);
}

std::optional<Scheme> scheme_of(const WeightParts& parts, const Scheme&) {
  const Tensor* weight = find_part(parts, "weight");
  const Tensor* scale = find_part(parts, "scale");
  if (weight == nullptr || scale == nullptr || weight->shape.size() != 2) return std::nullopt;
  const auto element = element_of_weight(weight->dtype);
  if (!element || scale->dtype != DType::kF32 || scale->shape != Shape{weight->shape[0], 1}) {
    return std::nullopt;
  }
  return scheme_for(*element);
}

Result<QuantizedWeight> decode(const WeightParts& parts, const Scheme& scheme) {
  if (!holds(scheme)) return refused("lmdeploy-w8a8 does not hold " + describe(scheme));
  RQ_TRY(const Tensor weight, require_part(parts, "weight"));
  const DType dtype = weight_dtype(scheme.element);
  if (weight.dtype != dtype || weight.shape.size() != 2) {
    return unexpected("weight", weight, fmt::format("{} [out, in]", name_of(dtype)));
  }
  QuantizedWeight out;
  out.scheme = scheme;
  out.rows = weight.shape[0];
  out.cols = weight.shape[1];
  RQ_TRY(out.scales, require_part(parts, "scale", DType::kF32, {out.rows, 1}));
  const bool is_int = scheme.element == Element::kInt;
  out.codes = relabel(weight, is_int ? DType::kI8 : DType::kU8, weight.shape);
  RQ_CHECK(validate(out));
  return out;
}

Result<std::vector<PartSpec>> layout(const Scheme& scheme, std::int64_t rows, std::int64_t cols) {
  if (!holds(scheme)) return refused("lmdeploy-w8a8 does not hold " + describe(scheme));
  return std::vector<PartSpec>{{"weight", weight_dtype(scheme.element), {rows, cols}},
                               {"scale", DType::kF32, {rows, 1}}};
}

Result<WeightParts> encode(const QuantizedWeight& weight) {
  RQ_CHECK(validate(weight));
  if (!holds(weight.scheme))
    return refused("lmdeploy-w8a8 does not hold " + describe(weight.scheme));
  return WeightParts{
      {"weight", relabel(weight.codes, weight_dtype(weight.scheme.element), weight.codes.shape)},
      {"scale", weight.scales}};
}

}  // namespace

extern const Codec k_codec_lmdeploy_w8a8;
const Codec k_codec_lmdeploy_w8a8 = {
    .name = "lmdeploy-w8a8",
    .long_name = "lmdeploy smooth_quant, int8 or fp8 per channel",
    .source = "InternLM/lmdeploy lmdeploy/pytorch/models/q_modules.py@1263d5cd",
    .holds = holds,
    .scheme_of = scheme_of,
    .decode = decode,
    .layout = layout,
    .encode = encode,
};

}  // namespace requant
