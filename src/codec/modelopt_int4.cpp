// ModelOpt's 4-bit AWQ. Two output rows share a byte, unlike every other 4-bit layout here.
//
//   weight           U8                [out / 2, in]  low nibble row 2i, high nibble row 2i + 1
//   weight_scale     F32 | BF16 | F16  [out, in / g]
//   pre_quant_scale  BF16              [in]           multiplies the input; where it is not folded
//   input_scale      F32               []             W4A8 alone
//   weight_scale_2   F32               []             W4A8 alone
//
// W = nibble x weight_scale, nibbles in two's complement. weight_scale_2 is no part of it: it is
// the scale of the FP8 that W4A8 kernels go through, the weight's largest value over 448.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "codec/codec.h"
#include "codec/grid_shape.h"
#include "codec/parts.h"
#include "codec/scaled.h"
#include "kernel/fields.h"

namespace requant {
namespace {

constexpr const char* kSecondScale = "weight_scale_2";
constexpr float kE4M3Max = 448;

bool is_w4a8(const Scheme& s) { return s.activations.kind == ActivationKind::kStatic; }

bool holds(const Scheme& s) {
  const bool is_float = is_half_or_single(s.scale_dtype);
  const bool known_activations = s.activations.kind == ActivationKind::kNone ||
                                 s.activations == Activations::static_tensor(Element::kE4M3Fn);
  return s.element == Element::kInt && s.bits == 4 && (s.grid.is_group() || s.grid.is_channel()) &&
         is_float && s.offset == Offset::kNone && !s.outer && !s.permuted && s.rotation.empty() &&
         known_activations;
}

Error not_held(const Scheme& scheme) {
  return refused("modelopt-int4 does not hold " + describe(scheme));
}

std::optional<Scheme> scheme_of(const WeightParts& parts, const Scheme& declared) {
  const Tensor* weight = find_part(parts, "weight");
  const Tensor* scale = find_part(parts, "weight_scale");
  if (weight == nullptr || scale == nullptr || weight->dtype != DType::kU8 ||
      weight->shape.size() != 2 || scale->shape.empty() || scale->shape.size() > 2) {
    return std::nullopt;
  }
  const std::int64_t rows = scale->shape[0];
  if (rows < 2 || rows % 2 != 0 || weight->shape[0] != rows / 2) return std::nullopt;
  const auto grid = grid_of_shape(scale->shape, rows, weight->shape[1], declared.grid);
  if (!grid) return std::nullopt;
  Scheme scheme;
  scheme.bits = 4;
  scheme.grid = *grid;
  scheme.scale_dtype = scale->dtype;
  if (find_part(parts, "input_scale") != nullptr && find_part(parts, kSecondScale) != nullptr) {
    scheme.activations = Activations::static_tensor(Element::kE4M3Fn);
  }
  if (const Tensor* multiplier = find_part(parts, "pre_quant_scale")) {
    scheme.input_multiplier = true;
    scheme.multiplier_dtype = multiplier->dtype;
  }
  return holds(scheme) ? std::optional(scheme) : std::nullopt;
}

constexpr int kSign = 8;  // of a nibble in two's complement

Result<Tensor> unpack(const Tensor& packed) {
  const std::int64_t pairs = packed.shape[0];
  const std::int64_t cols = packed.shape[1];
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kI8, {2 * pairs, cols}));
  const auto* from = packed.as<std::uint8_t>().data();
  auto* to = out.as<std::uint8_t>().data();
  for (std::int64_t pair = 0; pair < pairs; ++pair, from += cols, to += 2 * cols) {
    kernel::split_fields({.units = from,
                          .unit_bytes = 1,
                          .count = cols,
                          .codes = to,
                          .stride = cols,
                          .fields = 2,
                          .first_shift = 0,
                          .shift_step = 4,
                          .bits = 4,
                          .flip = kSign,
                          .bias = kSign});
  }
  return std::move(out).finish();
}

Result<void> decode_w4a8(const WeightParts& parts, QuantizedWeight& out) {
  RQ_TRY(out.input_scale, require_input_scale(parts, "input_scale"));
  RQ_TRY(const Tensor second, require_input_scale(parts, kSecondScale));
  out.dialect_private.emplace(kSecondScale, second);
  return {};
}

Result<QuantizedWeight> decode(const WeightParts& parts, const Scheme& scheme) {
  if (!holds(scheme)) return not_held(scheme);
  RQ_TRY(const Tensor weight, require_part(parts, "weight"));
  const std::optional<std::uint64_t> codes = element_count(weight.shape);
  if (weight.dtype != DType::kU8 || weight.shape.size() != 2 || weight.bytes.empty() || !codes) {
    return unexpected("weight", weight, "U8 [out / 2, in]");
  }
  QuantizedWeight out;
  out.scheme = scheme;
  out.rows = 2 * weight.shape[0];
  out.cols = weight.shape[1];
  RQ_TRY(out.scales, require_shaped(parts, "weight_scale", scheme.scale_dtype,
                                    {out.rows, scheme.grid.cols_of(out.rows, out.cols)}));
  RQ_TRY(out.codes, unpack(weight));
  if (is_w4a8(scheme)) RQ_CHECK(decode_w4a8(parts, out));
  if (scheme.input_multiplier) {
    RQ_TRY(out.input_multiplier,
           require_part(parts, "pre_quant_scale", scheme.multiplier_dtype, {out.cols}));
  }
  RQ_CHECK(validate(out));
  return out;
}

Result<std::vector<PartSpec>> layout(const Scheme& scheme, std::int64_t rows, std::int64_t cols) {
  if (!holds(scheme)) return not_held(scheme);
  if (rows % 2 != 0) return refused(fmt::format("modelopt-int4 pairs rows, not {}", rows));
  std::vector<PartSpec> specs = {
      {"weight", DType::kU8, {rows / 2, cols}},
      {"weight_scale", scheme.scale_dtype, {rows, scheme.grid.cols_of(rows, cols)}}};
  if (scheme.input_multiplier) {
    specs.push_back({"pre_quant_scale", scheme.multiplier_dtype, {cols}});
  }
  if (is_w4a8(scheme)) {
    specs.push_back({"input_scale", DType::kF32, {}});
    specs.push_back({kSecondScale, DType::kF32, {}});
  }
  return specs;
}

Result<Tensor> pack(const Tensor& codes) {
  const std::int64_t pairs = codes.shape[0] / 2;
  const std::int64_t cols = codes.shape[1];
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kU8, {pairs, cols}));
  const auto* from = codes.as<std::uint8_t>().data();
  auto* to = out.as<std::uint8_t>().data();
  bool fits = true;
  for (std::int64_t pair = 0; pair < pairs; ++pair, from += 2 * cols, to += cols) {
    fits &= kernel::join_fields({.codes = from,
                                 .stride = cols,
                                 .units = to,
                                 .count = cols,
                                 .fields = 2,
                                 .first_shift = 0,
                                 .shift_step = 4,
                                 .bits = 4,
                                 .flip = kSign,
                                 .bias = kSign});
  }
  if (fits) return std::move(out).finish();
  const int misfit = *std::ranges::find_if(codes.as<std::int8_t>(),
                                           [](int code) { return code < -8 || code > 7; });
  return refused(fmt::format("'weight' would hold {}, outside 4 bits", misfit));
}

// As it was stored; for a weight from elsewhere, as ModelOpt defines it.
Result<Tensor> second_scale(const QuantizedWeight& weight) {
  const auto stored = weight.dialect_private.find(kSecondScale);
  if (stored != weight.dialect_private.end() && stored->second.elements() == 1) {
    return to_f32(stored->second);
  }
  RQ_TRY(const Tensor values, dequantize(weight));
  float largest = 0;
  for (const float value : values.as<float>()) largest = std::max(largest, std::fabs(value));
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kF32, {}));
  out.as<float>()[0] = largest / kE4M3Max;
  return std::move(out).finish();
}

Result<WeightParts> encode(const QuantizedWeight& weight) {
  RQ_CHECK(validate(weight));
  RQ_TRY(const auto specs, layout(weight.scheme, weight.rows, weight.cols));
  WeightParts parts;
  RQ_TRY(parts["weight"], pack(weight.codes));
  parts["weight_scale"] = relabel(weight.scales, weight.scheme.scale_dtype, specs[1].shape);
  if (weight.scheme.input_multiplier) parts["pre_quant_scale"] = weight.input_multiplier;
  if (is_w4a8(weight.scheme)) {
    RQ_TRY(const Tensor input, to_f32(weight.input_scale));
    parts["input_scale"] = relabel(input, DType::kF32, {});
    RQ_TRY(const Tensor second, second_scale(weight));
    parts[kSecondScale] = relabel(second, DType::kF32, {});
  }
  return parts;
}

}  // namespace

extern const Codec k_codec_modelopt_int4;
const Codec k_codec_modelopt_int4 = {
    .name = "modelopt-int4",
    .long_name = "ModelOpt INT4 AWQ and W4A8, two rows a byte",
    .source = "nvidia-modelopt torch/export/quant_utils.py@0.47.0",
    .holds = holds,
    .scheme_of = scheme_of,
    .decode = decode,
    .layout = layout,
    .encode = encode,
};

}  // namespace requant
