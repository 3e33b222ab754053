// compressed-tensors int-quantized, float-quantized and naive-quantized: one code a byte.
//
//   weight             I8 | F8_E4M3         [out, in]
//   weight_scale       F32 | BF16 | F16     [1] | [out, 1] | [out, in / g] | [ceil(out/r),
//   ceil(in/c)] weight_zero_point  I8                   as weight_scale; only asymmetric
//   input_scale        F32 | BF16 | F16     [1]; only static activations
//   input_zero_point   I8                   [1]; only where these are asymmetric
//
// W = (weight - weight_zero_point) x weight_scale. Other producers spell [1] as [] and [out, 1] as
// [out]; both are read, and written as above.

#include <fmt/format.h>

#include <algorithm>

#include "codec/codec.h"
#include "codec/ct_parts.h"
#include "codec/grid_shape.h"
#include "codec/parts.h"

namespace requant {
namespace {

bool holds(const Scheme& s) {
  const bool is_int = s.element == Element::kInt && s.bits >= 1 && s.bits <= 8;
  const bool is_float = s.element == Element::kE4M3Fn && s.offset == Offset::kNone;
  return (is_int || is_float) && s.offset != Offset::kMinimum && !s.grid.flat && !s.is_dense() &&
         is_half_or_single(s.scale_dtype) && !s.outer && !s.permuted && !s.input_multiplier &&
         s.rotation.empty() && holds_ct_activations(s.activations);
}

Error not_held(const Scheme& scheme) {
  return refused("ct-quantized does not hold " + describe(scheme));
}

std::optional<Scheme> scheme_of(const WeightParts& parts, const Scheme& declared) {
  const Tensor* weight = find_part(parts, "weight");
  const Tensor* scale = find_part(parts, "weight_scale");
  if (weight == nullptr || scale == nullptr || weight->shape.size() != 2) return std::nullopt;
  const bool is_int = weight->dtype == DType::kI8;
  if ((!is_int && weight->dtype != DType::kF8E4M3) || !is_half_or_single(scale->dtype)) {
    return std::nullopt;
  }
  const auto grid = grid_of_shape(scale->shape, weight->shape[0], weight->shape[1], declared.grid);
  if (!grid) return std::nullopt;

  Scheme scheme;
  scheme.element = is_int ? Element::kInt : Element::kE4M3Fn;
  const bool declares_bits = is_int && declared.element == Element::kInt && declared.bits >= 1;
  if (declares_bits && declared.bits <= 8) scheme.bits = declared.bits;
  scheme.grid = *grid;
  scheme.scale_dtype = scale->dtype;
  const Tensor* zero = find_part(parts, "weight_zero_point");
  // Symmetric files may carry zero points of 0: decode() holds them to that.
  if (is_int && zero != nullptr && declared.offset == Offset::kZero) scheme.offset = Offset::kZero;
  scheme.activations = ct_activations(parts, declared.activations);
  return scheme;
}

// Codes must fit the bits that the config declares: they could not be packed otherwise.
Result<void> check_range(const Tensor& codes, int bits) {
  if (bits == 8) return {};
  const int limit = 1 << (bits - 1);
  const auto values = codes.as<std::int8_t>();
  const auto outside = std::ranges::find_if(
      values, [limit](std::int8_t code) { return code < -limit || code >= limit; });
  if (outside == values.end()) return {};
  return corrupt(fmt::format("'weight' holds {}, outside {} bits", int{*outside}, bits));
}

Result<QuantizedWeight> decode(const WeightParts& parts, const Scheme& scheme) {
  if (!holds(scheme)) return not_held(scheme);
  const bool is_int = scheme.element == Element::kInt;
  RQ_TRY(const Tensor weight, require_part(parts, "weight"));
  const DType dtype = is_int ? DType::kI8 : DType::kF8E4M3;
  if (weight.dtype != dtype || weight.shape.size() != 2 || weight.bytes.empty()) {
    return unexpected("weight", weight, fmt::format("{} [out, in]", name_of(dtype)));
  }
  QuantizedWeight out;
  out.scheme = scheme;
  out.rows = weight.shape[0];
  out.cols = weight.shape[1];
  out.codes = relabel(weight, is_int ? DType::kI8 : DType::kU8, weight.shape);
  if (is_int) RQ_CHECK(check_range(out.codes, scheme.bits));
  RQ_TRY(out.scales, require_on_grid(parts, "weight_scale", scheme.scale_dtype, out));
  if (scheme.offset == Offset::kZero) {
    RQ_TRY(const Tensor zeros, require_on_grid(parts, "weight_zero_point", DType::kI8, out));
    RQ_TRY(out.zeros, widen_i8(zeros));
  } else {
    RQ_CHECK(check_zero_points_absent(parts));
  }
  RQ_CHECK(decode_ct_activations(parts, out));
  RQ_CHECK(validate(out));
  return out;
}

Result<std::vector<PartSpec>> layout(const Scheme& scheme, std::int64_t rows, std::int64_t cols) {
  if (!holds(scheme)) return not_held(scheme);
  const bool is_int = scheme.element == Element::kInt;
  const Shape grid = ct_grid_shape(scheme.grid, rows, cols);
  std::vector<PartSpec> specs = {{"weight", is_int ? DType::kI8 : DType::kF8E4M3, {rows, cols}},
                                 {"weight_scale", scheme.scale_dtype, grid}};
  if (scheme.offset == Offset::kZero) specs.push_back({"weight_zero_point", DType::kI8, grid});
  add_ct_activations(scheme, specs);
  return specs;
}

Result<WeightParts> encode(const QuantizedWeight& weight) {
  RQ_CHECK(validate(weight));
  const Scheme& scheme = weight.scheme;
  if (!holds(scheme)) return not_held(scheme);
  const bool is_int = scheme.element == Element::kInt;
  if (is_int) RQ_CHECK(check_range(weight.codes, scheme.bits));
  const Shape grid = ct_grid_shape(scheme.grid, weight.rows, weight.cols);
  WeightParts parts;
  parts["weight"] = relabel(weight.codes, is_int ? DType::kI8 : DType::kF8E4M3, weight.codes.shape);
  parts["weight_scale"] = relabel(weight.scales, scheme.scale_dtype, grid);
  if (scheme.offset == Offset::kZero) {
    RQ_TRY(parts["weight_zero_point"], narrow_to_i8("weight_zero_point", weight.zeros, grid));
  }
  RQ_CHECK(encode_ct_activations(weight, parts));
  return parts;
}

}  // namespace

extern const Codec k_codec_ct_quantized;
const Codec k_codec_ct_quantized = {
    .name = "ct-quantized",
    .long_name = "compressed-tensors int-, float- and naive-quantized",
    .source = "vllm-project/compressed-tensors naive_quantized.py@0.19.0",
    .holds = holds,
    .scheme_of = scheme_of,
    .decode = decode,
    .layout = layout,
    .encode = encode,
};

}  // namespace requant
