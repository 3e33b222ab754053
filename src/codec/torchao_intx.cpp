// torchao's IntxUnpackedToInt8Tensor: codes of 1 to 8 bits, one a byte.
//
//   _weight_qdata       I8                [out, in]
//   _weight_scale       BF16 | F16 | F32  [out, in / g]
//   _weight_zero_point  I8                [out, in / g]
//
// W = (qdata - zero_point) x scale. Bits and activations are in the file's metadata.

#include <fmt/format.h>

#include <algorithm>

#include "codec/codec.h"
#include "codec/grid_shape.h"
#include "codec/parts.h"

namespace requant {
namespace {

constexpr std::string_view kCodes = "_weight_qdata";
constexpr std::string_view kScale = "_weight_scale";
constexpr std::string_view kZero = "_weight_zero_point";

bool holds(const Scheme& s) {
  const bool is_float = is_half_or_single(s.scale_dtype);
  return s.element == Element::kInt && s.bits >= 1 && s.bits <= 8 && is_float && !s.grid.flat &&
         !s.is_dense() && s.offset != Offset::kMinimum && !s.outer && !s.permuted &&
         !s.input_multiplier && s.rotation.empty() && s.activations.kind != ActivationKind::kStatic;
}

std::optional<Scheme> scheme_of(const WeightParts& parts, const Scheme& declared) {
  const Tensor* codes = find_part(parts, kCodes);
  const Tensor* scale = find_part(parts, kScale);
  if (codes == nullptr || scale == nullptr || codes->dtype != DType::kI8 ||
      codes->shape.size() != 2) {
    return std::nullopt;
  }
  const auto grid = grid_of_shape(scale->shape, codes->shape[0], codes->shape[1], declared.grid);
  if (!grid) return std::nullopt;
  const Tensor* zero = find_part(parts, kZero);
  if (zero != nullptr && (zero->dtype != DType::kI8 || zero->shape != scale->shape)) {
    return std::nullopt;
  }
  Scheme scheme;
  if (declared.element == Element::kInt) scheme.bits = declared.bits;
  scheme.grid = *grid;
  scheme.scale_dtype = scale->dtype;
  if (zero != nullptr && declared.offset == Offset::kZero) scheme.offset = Offset::kZero;
  scheme.activations = declared.activations;
  return holds(scheme) ? std::optional(scheme) : std::nullopt;
}

Result<void> check_range(const Tensor& codes, int bits) {
  const int limit = 1 << (bits - 1);
  const auto values = codes.as<std::int8_t>();
  const auto outside = std::ranges::find_if(
      values, [limit](std::int8_t code) { return code < -limit || code >= limit; });
  if (outside == values.end()) return {};
  return corrupt(fmt::format("'{}' holds {}, outside {} bits", kCodes, int{*outside}, bits));
}

Result<void> decode_zeros(const WeightParts& parts, const Shape& shape, QuantizedWeight& out) {
  const bool is_zero = out.scheme.offset == Offset::kZero;
  if (!is_zero && find_part(parts, kZero) == nullptr) return {};
  RQ_TRY(Tensor stored, require_part(parts, kZero, DType::kI8, shape));
  const Tensor zeros = relabel(std::move(stored), DType::kI8, out.scales.shape);
  if (is_zero) {
    RQ_TRY(out.zeros, widen_i8(zeros));
    return {};
  }
  for (const std::int8_t zero : zeros.as<std::int8_t>()) {
    if (zero != 0) {
      return corrupt(fmt::format("'{}' is not 0 though the scheme is symmetric", kZero));
    }
  }
  return {};
}

Result<QuantizedWeight> decode(const WeightParts& parts, const Scheme& scheme) {
  if (!holds(scheme)) return refused("torchao-intx does not hold " + describe(scheme));
  RQ_TRY(const Tensor codes, require_part(parts, kCodes));
  if (codes.dtype != DType::kI8 || codes.shape.size() != 2 || codes.bytes.empty()) {
    return unexpected(kCodes, codes, "I8 [out, in]");
  }
  RQ_CHECK(check_range(codes, scheme.bits));
  QuantizedWeight out;
  out.scheme = scheme;
  out.rows = codes.shape[0];
  out.cols = codes.shape[1];
  out.codes = codes;
  const Shape grid = {scheme.grid.rows_of(out.rows, out.cols),
                      scheme.grid.cols_of(out.rows, out.cols)};
  RQ_TRY(Tensor scale, require_part(parts, kScale));
  const Shape stored = scale.shape;
  const bool fits = stored == grid || (grid[1] == 1 && stored == Shape{grid[0]});
  if (scale.dtype != scheme.scale_dtype || !fits) {
    return unexpected(kScale, scale,
                      fmt::format("{} {}", name_of(scheme.scale_dtype), to_string(grid)));
  }
  out.scales = relabel(std::move(scale), scheme.scale_dtype, grid);
  RQ_CHECK(decode_zeros(parts, stored, out));
  RQ_CHECK(validate(out));
  return out;
}

}  // namespace

extern const Codec k_codec_torchao_intx;
const Codec k_codec_torchao_intx = {
    .name = "torchao-intx",
    .long_name = "torchao integers, one a byte",
    .source = "pytorch/ao torchao/quantization/.../intx_unpacked_to_int8_tensor.py@0.18.0",
    .holds = holds,
    .scheme_of = scheme_of,
    .decode = decode,
};

}  // namespace requant
