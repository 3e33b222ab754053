// bitsandbytes LLM.int8().
//
//   weight         I8   [out, in]
//   SCB            F32  [out]
//   weight_format  U8   []         0: rows, the only order that is read; may be absent
//
// W = weight x SCB / 127. Activations are quantised at run time per token; columns of outliers stay
// in 16 bits there.

#include <fmt/format.h>

#include <array>

#include "codec/codec.h"
#include "codec/parts.h"

namespace requant {
namespace {

constexpr float kLargestCode = 127;

Scheme int8() {
  Scheme scheme;
  scheme.grid = Grid::channel();
  scheme.outer = OuterScale{.orientation = Orientation::kDivisor};
  scheme.activations = Activations::dynamic_token(Element::kInt);
  return scheme;
}

bool holds(const Scheme& scheme) { return scheme == int8(); }

std::optional<Scheme> scheme_of(const WeightParts& parts, const Scheme&) {
  const Tensor* weight = find_part(parts, "weight");
  const Tensor* statistics = find_part(parts, "SCB");
  if (weight == nullptr || statistics == nullptr || weight->dtype != DType::kI8 ||
      weight->shape.size() != 2 || statistics->dtype != DType::kF32 ||
      statistics->shape != Shape{weight->shape[0]}) {
    return std::nullopt;
  }
  return int8();
}

Result<void> check_format(const WeightParts& parts) {
  if (find_part(parts, "weight_format") == nullptr) return {};
  RQ_TRY(const Tensor format, require_part(parts, "weight_format"));
  if (format.dtype != DType::kU8 || format.bytes.size() != 1) {
    return unexpected("weight_format", format, "U8 []");
  }
  static constexpr std::array kNames = {"row", "col32", "col_turing", "col_ampere"};
  const std::uint8_t value = format.as<std::uint8_t>()[0];
  if (value == 0) return {};
  return refused(fmt::format("'weight_format' is {} ({}), only 0 (row) can be read", value,
                             value < kNames.size() ? kNames[value] : "unknown"));
}

Result<QuantizedWeight> decode(const WeightParts& parts, const Scheme& scheme) {
  if (!holds(scheme)) return refused("bitsandbytes-int8 does not hold " + describe(scheme));
  RQ_TRY(const Tensor weight, require_part(parts, "weight"));
  if (weight.dtype != DType::kI8 || weight.shape.size() != 2 || weight.bytes.empty()) {
    return unexpected("weight", weight, "I8 [out, in]");
  }
  RQ_CHECK(check_format(parts));
  QuantizedWeight out;
  out.scheme = scheme;
  out.rows = weight.shape[0];
  out.cols = weight.shape[1];
  out.codes = weight;
  RQ_TRY(Tensor statistics, require_part(parts, "SCB", DType::kF32, {out.rows}));
  out.scales = relabel(std::move(statistics), DType::kF32, {out.rows, 1});
  RQ_TRY(TensorBuilder divisor, TensorBuilder::make(DType::kF32, {1, 1}));
  divisor.as<float>()[0] = kLargestCode;
  out.outer_scales = std::move(divisor).finish();
  RQ_CHECK(validate(out));
  return out;
}

Result<std::vector<PartSpec>> layout(const Scheme& scheme, std::int64_t rows, std::int64_t cols) {
  if (!holds(scheme)) return refused("bitsandbytes-int8 does not hold " + describe(scheme));
  return std::vector<PartSpec>{{"weight", DType::kI8, {rows, cols}},
                               {"SCB", DType::kF32, {rows}},
                               {"weight_format", DType::kU8, {}}};
}

Result<WeightParts> encode(const QuantizedWeight& weight) {
  RQ_CHECK(validate(weight));
  RQ_CHECK(layout(weight.scheme, weight.rows, weight.cols));
  if (weight.outer_scales.as<float>()[0] != kLargestCode) {
    return refused("the scales are not over 127, as LLM.int8() has them");
  }
  WeightParts parts;
  parts["weight"] = weight.codes;
  parts["SCB"] = relabel(weight.scales, DType::kF32, {weight.rows});
  RQ_TRY(TensorBuilder format, TensorBuilder::make(DType::kU8, {}));
  format.as<std::uint8_t>()[0] = 0;
  parts["weight_format"] = std::move(format).finish();
  return parts;
}

}  // namespace

extern const Codec k_codec_bitsandbytes_int8;
const Codec k_codec_bitsandbytes_int8 = {
    .name = "bitsandbytes-int8",
    .long_name = "bitsandbytes LLM.int8()",
    .source = "bitsandbytes bitsandbytes/nn/modules.py@0.50.2",
    .holds = holds,
    .scheme_of = scheme_of,
    .decode = decode,
    .layout = layout,
    .encode = encode,
};

}  // namespace requant
