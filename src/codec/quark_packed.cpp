#include "codec/quark_packed.h"

#include <fmt/format.h>

#include <algorithm>

#include "codec/parts.h"

namespace requant {
namespace {

constexpr std::int64_t kPack = 8;

// words [n, out / 8] -> I8 [out, n].
Result<Tensor> unpack(const Tensor& words, const kernel::AwqOrder& order, bool is_unsigned) {
  const std::int64_t inputs = words.shape[0];
  const std::int64_t outputs = words.shape[1] * kPack;
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kI8, {outputs, inputs}));
  kernel::unpack_awq({.words = words.as<std::uint8_t>().data(),
                      .codes = out.as<std::uint8_t>().data(),
                      .inputs = inputs,
                      .outputs = outputs,
                      .order = order,
                      .flip = is_unsigned ? 0 : 8});
  return std::move(out).finish();
}

// I8 [out, n] -> words [n, out / 8].
Result<Tensor> pack(const Tensor& codes, const kernel::AwqOrder& order, bool is_unsigned) {
  const std::int64_t outputs = codes.shape[0];
  const std::int64_t inputs = codes.shape[1];
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kI32, {inputs, outputs / kPack}));
  const bool whole = kernel::pack_awq({.codes = codes.as<std::uint8_t>().data(),
                                       .words = out.as<std::uint8_t>().data(),
                                       .inputs = inputs,
                                       .outputs = outputs,
                                       .order = order});
  if (!whole) return refused("a code lies outside 4 bits");
  if (!is_unsigned) {  // two's complement
    for (std::uint32_t& word : out.as<std::uint32_t>()) word ^= 0x88888888U;
  }
  return std::move(out).finish();
}

// I16 zeros, which fit nibbles, as I8.
Result<Tensor> packed_zeros(const QuantizedWeight& weight, const kernel::AwqOrder& order) {
  RQ_TRY(const Tensor zeros, narrow_i16("weight_zero_point", weight.zeros));
  for (const std::int8_t zero : zeros.as<std::int8_t>()) {
    if (zero < -8 || zero > 7) {
      return refused(fmt::format("a zero point is {}, outside 4 bits", int{zero}));
    }
  }
  return pack(zeros, order, true);
}

Result<void> check_zeros(const Tensor& words) {
  for (const std::uint32_t word : words.as<std::uint32_t>()) {
    if (word != 0) return corrupt("'weight_zero_point' is not 0 though the scheme is symmetric");
  }
  return {};
}

}  // namespace

bool holds_quark_packed(const Scheme& s) {
  return s.element == Element::kInt && s.bits == 4 && s.grid.is_group() &&
         is_half_or_single(s.scale_dtype) && s.offset != Offset::kMinimum && !s.outer &&
         !s.permuted && !s.input_multiplier && s.rotation.empty() &&
         s.activations.kind == ActivationKind::kNone;
}

std::optional<Scheme> quark_packed_scheme_of(const WeightParts& parts, const Scheme& declared) {
  const Tensor* weight = find_part(parts, "weight");
  const Tensor* scale = find_part(parts, "weight_scale");
  const Tensor* zero = find_part(parts, "weight_zero_point");
  if (weight == nullptr || scale == nullptr || weight->dtype != DType::kI32 ||
      weight->shape.size() != 2 || scale->shape.size() != 2) {
    return std::nullopt;
  }
  const std::int64_t inputs = weight->shape[0];
  const std::int64_t groups = scale->shape[0];
  const std::int64_t outputs = scale->shape[1];
  if (inputs < 1 || groups < 1 || outputs < kPack || outputs % kPack != 0 || inputs % groups != 0 ||
      weight->shape[1] != outputs / kPack) {
    return std::nullopt;
  }
  const bool wants_zero = declared.offset == Offset::kZero;
  if ((zero == nullptr && wants_zero) ||
      (zero != nullptr &&
       (zero->dtype != DType::kI32 || zero->shape != Shape{groups, outputs / kPack}))) {
    return std::nullopt;
  }
  Scheme scheme;
  scheme.bits = 4;
  scheme.grid = Grid::group(inputs / groups);
  scheme.scale_dtype = scale->dtype;
  scheme.offset = declared.offset;
  return holds_quark_packed(scheme) ? std::optional(scheme) : std::nullopt;
}

Result<QuantizedWeight> decode_quark_packed(const WeightParts& parts, const Scheme& scheme,
                                            const kernel::AwqOrder& order) {
  if (!holds_quark_packed(scheme)) return refused("quark-int4 does not hold " + describe(scheme));
  RQ_TRY(const Tensor weight, require_part(parts, "weight"));
  if (weight.dtype != DType::kI32 || weight.shape.size() != 2 || weight.bytes.empty()) {
    return unexpected("weight", weight, "I32 [in, out / 8]");
  }
  QuantizedWeight out;
  out.scheme = scheme;
  out.rows = weight.shape[1] * kPack;
  out.cols = weight.shape[0];
  const std::int64_t groups = scheme.grid.cols_of(out.rows, out.cols);
  RQ_TRY(const Tensor scale,
         require_part(parts, "weight_scale", scheme.scale_dtype, {groups, out.rows}));
  RQ_TRY(out.scales, transpose(scale));
  const bool is_unsigned = scheme.offset == Offset::kZero;
  RQ_TRY(out.codes, unpack(weight, order, is_unsigned));
  if (is_unsigned || find_part(parts, "weight_zero_point") != nullptr) {
    RQ_TRY(const Tensor words,
           require_part(parts, "weight_zero_point", DType::kI32, {groups, weight.shape[1]}));
    if (is_unsigned) {
      RQ_TRY(const Tensor zeros, unpack(words, order, true));
      RQ_TRY(out.zeros, widen_i8(zeros));
    } else {
      RQ_CHECK(check_zeros(words));
    }
  }
  RQ_CHECK(validate(out));
  return out;
}

Result<std::vector<PartSpec>> quark_packed_layout(const Scheme& scheme, std::int64_t rows,
                                                  std::int64_t cols) {
  if (!holds_quark_packed(scheme)) return refused("quark-int4 does not hold " + describe(scheme));
  const std::int64_t group = scheme.grid.block_cols;
  if (rows % kPack != 0 || cols % group != 0) {
    return refused(
        fmt::format("quark-int4 needs outputs in eights and whole groups of {} inputs, "
                    "not {} x {}",
                    group, rows, cols));
  }
  return std::vector<PartSpec>{{"weight", DType::kI32, {cols, rows / kPack}},
                               {"weight_scale", scheme.scale_dtype, {cols / group, rows}},
                               {"weight_zero_point", DType::kI32, {cols / group, rows / kPack}}};
}

Result<WeightParts> encode_quark_packed(const QuantizedWeight& weight,
                                        const kernel::AwqOrder& order) {
  RQ_CHECK(validate(weight));
  RQ_TRY(const auto specs, quark_packed_layout(weight.scheme, weight.rows, weight.cols));
  const bool is_unsigned = weight.scheme.offset == Offset::kZero;
  WeightParts parts;
  RQ_TRY(parts["weight"], pack(weight.codes, order, is_unsigned));
  RQ_TRY(parts["weight_scale"], transpose(weight.scales));
  if (is_unsigned) {
    RQ_TRY(parts["weight_zero_point"], packed_zeros(weight, order));
    return parts;
  }
  RQ_TRY(TensorBuilder zeros, TensorBuilder::make(DType::kI32, specs[2].shape));
  std::ranges::fill(zeros.as<std::uint32_t>(), 0U);
  parts["weight_zero_point"] = std::move(zeros).finish();
  return parts;
}

}  // namespace requant
