// The OCP microscaling formats as ModelOpt and Quark store them: 32 inputs share a power of two.
//
//   weight        U8       [out, in / 2]      E2M1, low nibble first
//                 U8       [out, in x 3 / 4]  E2M3 or E3M2, least significant bits first
//                 F8_E4M3  [out, in]
//   weight_scale  U8       [out, in / 32]     E8M0: 2^(byte - 127), 255 is NaN
//
// W = weight x weight_scale.

#include <fmt/format.h>

#include "codec/codec.h"
#include "codec/packed_codes.h"
#include "codec/parts.h"

namespace requant {
namespace {

constexpr std::int64_t kGroup = 32;

bool is_packed(Element element) {
  return element == Element::kE2M1 || element == Element::kE2M3 || element == Element::kE3M2;
}

bool holds(const Scheme& s) {
  const ActivationKind kind = s.activations.kind;
  return (is_packed(s.element) || s.element == Element::kE4M3Fn) &&
         s.bits == info(s.element).bits && s.grid == Grid::group(kGroup) &&
         s.scale_dtype == DType::kF8E8M0 && s.offset == Offset::kNone && !s.outer && !s.permuted &&
         !s.input_multiplier && s.rotation.empty() && kind != ActivationKind::kStatic;
}

Error not_held(const Scheme& scheme) {
  return refused("mx-weight-scale does not hold " + describe(scheme));
}

// Bits of a code, from how many bytes of `weight` share one scale.
std::optional<Element> element_for(const Tensor& weight, const Tensor& scale,
                                   const Scheme& declared) {
  const std::int64_t bytes = weight.shape[1];
  const std::int64_t groups = scale.shape[1];
  if (groups < 1 || bytes % groups != 0) return std::nullopt;
  if (weight.dtype == DType::kF8E4M3) {
    return bytes / groups == kGroup ? std::optional(Element::kE4M3Fn) : std::nullopt;
  }
  if (weight.dtype != DType::kU8) return std::nullopt;
  if (bytes / groups == kGroup / 2) return Element::kE2M1;
  // The two formats of 6 bits look alike: the config has to say.
  const bool six = declared.element == Element::kE2M3 || declared.element == Element::kE3M2;
  return six && bytes / groups == kGroup * 3 / 4 ? std::optional(declared.element) : std::nullopt;
}

std::optional<Scheme> scheme_of(const WeightParts& parts, const Scheme& declared) {
  const Tensor* weight = find_part(parts, "weight");
  const Tensor* scale = find_part(parts, "weight_scale");
  if (weight == nullptr || scale == nullptr || weight->shape.size() != 2 ||
      scale->shape.size() != 2 || scale->shape[0] != weight->shape[0] || scale->shape[0] < 1) {
    return std::nullopt;
  }
  if (scale->dtype != DType::kU8 && scale->dtype != DType::kF8E8M0) return std::nullopt;
  const auto element = element_for(*weight, *scale, declared);
  if (!element) return std::nullopt;
  Scheme scheme;
  scheme.element = *element;
  scheme.bits = info(*element).bits;
  scheme.grid = Grid::group(kGroup);
  scheme.scale_dtype = DType::kF8E8M0;
  scheme.activations = declared.activations;
  return holds(scheme) ? std::optional(scheme) : std::nullopt;
}

Result<QuantizedWeight> decode(const WeightParts& parts, const Scheme& scheme) {
  if (!holds(scheme)) return not_held(scheme);
  RQ_TRY(const Tensor weight, require_part(parts, "weight"));
  const DType dtype = is_packed(scheme.element) ? DType::kU8 : DType::kF8E4M3;
  if (weight.dtype != dtype || weight.shape.size() != 2 || weight.bytes.empty()) {
    return unexpected("weight", weight, fmt::format("{} [out, in]", name_of(dtype)));
  }
  RQ_TRY(Tensor scale, require_part(parts, "weight_scale"));
  const std::int64_t bytes_of_group = kGroup * scheme.bits / 8;
  const Shape expected = {weight.shape[0], weight.shape[1] / bytes_of_group};
  const bool is_byte = scale.dtype == DType::kU8 || scale.dtype == DType::kF8E8M0;
  if (!is_byte || scale.shape != expected || weight.shape[1] % bytes_of_group != 0) {
    return unexpected("weight_scale", scale, fmt::format("U8 {}", to_string(expected)));
  }
  QuantizedWeight out;
  out.scheme = scheme;
  out.rows = weight.shape[0];
  out.cols = expected[1] * kGroup;
  out.scales = relabel(std::move(scale), DType::kF8E8M0, expected);
  if (is_packed(scheme.element)) {
    RQ_TRY(out.codes, unpack_codes(weight, out.rows, out.cols, scheme.bits));
  } else {
    out.codes = relabel(weight, DType::kU8, weight.shape);
  }
  RQ_CHECK(validate(out));
  return out;
}

Result<std::vector<PartSpec>> layout(const Scheme& scheme, std::int64_t rows, std::int64_t cols) {
  if (!holds(scheme)) return not_held(scheme);
  if (cols % kGroup != 0) {
    return refused(fmt::format("mx-weight-scale needs whole groups of 32 inputs, not {}", cols));
  }
  const DType dtype = is_packed(scheme.element) ? DType::kU8 : DType::kF8E4M3;
  return std::vector<PartSpec>{{"weight", dtype, {rows, cols * scheme.bits / 8}},
                               {"weight_scale", DType::kU8, {rows, cols / kGroup}}};
}

Result<WeightParts> encode(const QuantizedWeight& weight) {
  RQ_CHECK(validate(weight));
  RQ_TRY(const auto specs, layout(weight.scheme, weight.rows, weight.cols));
  WeightParts parts;
  if (is_packed(weight.scheme.element)) {
    RQ_TRY(parts["weight"], pack_codes(weight.codes, weight.scheme.bits));
  } else {
    parts["weight"] = relabel(weight.codes, DType::kF8E4M3, weight.codes.shape);
  }
  parts["weight_scale"] = relabel(weight.scales, DType::kU8, specs[1].shape);
  return parts;
}

}  // namespace

extern const Codec k_codec_mx_weight_scale;
const Codec k_codec_mx_weight_scale = {
    .name = "mx-weight-scale",
    .long_name = "MXFP4, MXFP6 and MXFP8 of ModelOpt and Quark",
    .source = "nvidia-modelopt torch/quantization/qtensor/mxfp4_tensor.py@0.47.0; amd-quark 0.13",
    .holds = holds,
    .scheme_of = scheme_of,
    .decode = decode,
    .layout = layout,
    .encode = encode,
};

}  // namespace requant
