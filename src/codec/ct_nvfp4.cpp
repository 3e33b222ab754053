// compressed-tensors nvfp4-pack-quantized: e2m1 in groups of 16 under two levels of scales.
//
//   weight_packed        U8       [out, in / 2]   two codes a byte, the low nibble first
//   weight_scale         F8_E4M3  [out, in / 16]
//   weight_global_scale  F32      [1]             a divisor: 448 x 6 / largest weight
//   input_global_scale   F32      [1]             a divisor too; only where activations are e2m1
//
// W = e2m1 x weight_scale / weight_global_scale.

#include <fmt/format.h>

#include "codec/codec.h"
#include "codec/ct_parts.h"
#include "codec/packed_codes.h"
#include "codec/parts.h"

namespace requant {
namespace {

constexpr std::int64_t kGroup = 16;
constexpr OuterScale kGlobal = {.dtype = DType::kF32, .orientation = Orientation::kDivisor};

// Dynamic in groups, under a static scale of the whole tensor.
bool is_local(const Activations& a) {
  return a.kind == ActivationKind::kDynamic && a.granularity == Granularity::kGroup &&
         a.element == Element::kE2M1 && a.group == kGroup;
}

bool holds(const Scheme& s) {
  const Activations& a = s.activations;
  return s.element == Element::kE2M1 && s.bits == 4 && s.grid == Grid::group(kGroup) &&
         s.scale_dtype == DType::kF8E4M3 && s.offset == Offset::kNone && s.outer == kGlobal &&
         !s.permuted && !s.input_multiplier && s.rotation.empty() && holds_ct_activations(a) &&
         (!is_local(a) || a.orientation == Orientation::kDivisor);
}

Error not_held(const Scheme& scheme) {
  return refused("ct-nvfp4 does not hold " + describe(scheme));
}

bool is_one_f32(const Tensor& tensor) {
  return tensor.dtype == DType::kF32 && (tensor.shape.empty() || tensor.shape == Shape{1});
}

std::optional<Scheme> scheme_of(const WeightParts& parts, const Scheme& declared) {
  const Tensor* packed = find_part(parts, "weight_packed");
  const Tensor* scale = find_part(parts, "weight_scale");
  const Tensor* global = find_part(parts, "weight_global_scale");
  if (packed == nullptr || scale == nullptr || global == nullptr || packed->dtype != DType::kU8 ||
      scale->dtype != DType::kF8E4M3 || packed->shape.size() != 2 || scale->shape.size() != 2) {
    return std::nullopt;
  }
  const std::int64_t width = packed->shape[1];
  if (packed->shape[0] < 1 || packed->shape[0] != scale->shape[0] || width < 1 ||
      width % (kGroup / 2) != 0 || width / (kGroup / 2) != scale->shape[1] ||
      !is_one_f32(*global)) {
    return std::nullopt;
  }
  Scheme scheme;
  scheme.element = Element::kE2M1;
  scheme.bits = 4;
  scheme.grid = Grid::group(kGroup);
  scheme.scale_dtype = DType::kF8E4M3;
  scheme.outer = kGlobal;
  scheme.activations = declared.activations;
  if (is_local(scheme.activations)) scheme.activations.orientation = Orientation::kDivisor;
  return holds(scheme) ? std::optional(scheme) : std::nullopt;
}

Result<Tensor> require_one(const WeightParts& parts, std::string_view name, const Shape& shape) {
  RQ_TRY(Tensor tensor, require_part(parts, name));
  if (!is_one_f32(tensor)) return unexpected(name, tensor, "F32 [1]");
  return relabel(std::move(tensor), DType::kF32, shape);
}

Result<QuantizedWeight> decode(const WeightParts& parts, const Scheme& scheme) {
  if (!holds(scheme)) return not_held(scheme);
  RQ_TRY(const Tensor packed, require_part(parts, "weight_packed"));
  if (packed.dtype != DType::kU8 || packed.shape.size() != 2 || packed.bytes.empty() ||
      packed.shape[1] % (kGroup / 2) != 0) {
    return unexpected("weight_packed", packed, "U8 [out, 8 x groups]");
  }
  QuantizedWeight out;
  out.scheme = scheme;
  out.rows = packed.shape[0];
  out.cols = packed.shape[1] * 2;
  RQ_TRY(out.codes, unpack_codes(packed, out.rows, out.cols, 4));
  RQ_TRY(out.scales,
         require_part(parts, "weight_scale", DType::kF8E4M3, {out.rows, out.cols / kGroup}));
  RQ_TRY(out.outer_scales, require_one(parts, "weight_global_scale", {1, 1}));
  if (is_local(scheme.activations)) {
    RQ_TRY(out.input_scale, require_one(parts, "input_global_scale", {1}));
  }
  RQ_CHECK(decode_ct_activations(parts, out));
  RQ_CHECK(validate(out));
  return out;
}

Result<std::vector<PartSpec>> layout(const Scheme& scheme, std::int64_t rows, std::int64_t cols) {
  if (!holds(scheme)) return not_held(scheme);
  if (cols % kGroup != 0) {
    return refused(fmt::format("ct-nvfp4 needs whole groups of 16, not {}", cols));
  }
  std::vector<PartSpec> specs = {{"weight_packed", DType::kU8, {rows, cols / 2}},
                                 {"weight_scale", DType::kF8E4M3, {rows, cols / kGroup}},
                                 {"weight_global_scale", DType::kF32, {1}}};
  if (is_local(scheme.activations)) specs.push_back({"input_global_scale", DType::kF32, {1}});
  add_ct_activations(scheme, specs);
  return specs;
}

Result<WeightParts> encode(const QuantizedWeight& weight) {
  RQ_CHECK(validate(weight));
  RQ_CHECK(layout(weight.scheme, weight.rows, weight.cols));
  WeightParts parts;
  RQ_TRY(parts["weight_packed"], pack_codes(weight.codes, 4));
  parts["weight_scale"] = weight.scales;
  parts["weight_global_scale"] = relabel(weight.outer_scales, DType::kF32, {1});
  RQ_CHECK(encode_ct_activations(weight, parts));
  if (!is_local(weight.scheme.activations)) return parts;
  if (weight.input_scale.empty()) return refused("activations have no scale of the whole tensor");
  RQ_TRY(parts["input_global_scale"], to_f32(weight.input_scale));
  return parts;
}

}  // namespace

extern const Codec k_codec_ct_nvfp4;
const Codec k_codec_ct_nvfp4 = {
    .name = "ct-nvfp4",
    .long_name = "compressed-tensors nvfp4-pack-quantized",
    .source = "vllm-project/compressed-tensors compressors/nvfp4@0.19.0",
    .holds = holds,
    .scheme_of = scheme_of,
    .decode = decode,
    .layout = layout,
    .encode = encode,
};

}  // namespace requant
