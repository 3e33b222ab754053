// AutoAWQ "GEMM": 4-bit codes of eight outputs in one 32-bit word, interleaved (kernel::kAwqOrder).
//
//   qweight  I32         [in,     out / 8]
//   qzeros   I32         [in / g, out / 8]  may be absent: every zero point is 8
//   scales   F16 | BF16  [in / g, out]
//
// W = (code - zero) x scale, codes and zeros 0 to 15. The neutral form has both minus 8.

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "codec/codec.h"
#include "codec/parts.h"
#include "kernel/awq.h"

namespace requant {
namespace {

constexpr std::int64_t kPack = 8;

bool holds(const Scheme& s) {
  return s.element == Element::kInt && s.bits == 4 && (s.grid.is_group() || s.grid.is_channel()) &&
         (s.scale_dtype == DType::kF16 || s.scale_dtype == DType::kBF16) &&
         s.offset != Offset::kMinimum && !s.outer && !s.permuted && !s.input_multiplier &&
         s.rotation.empty() && s.activations.kind == ActivationKind::kNone && !s.is_dense();
}

Error not_held(const Scheme& scheme) {
  return refused("awq-gemm does not hold " + describe(scheme));
}

std::optional<Scheme> scheme_of(const WeightParts& parts, const Scheme& declared) {
  const Tensor* qweight = find_part(parts, "qweight");
  const Tensor* scales = find_part(parts, "scales");
  const Tensor* qzeros = find_part(parts, "qzeros");
  if (qweight == nullptr || scales == nullptr || find_part(parts, "g_idx") != nullptr) {
    return std::nullopt;
  }
  if (qweight->dtype != DType::kI32 || qweight->shape.size() != 2 || scales->shape.size() != 2) {
    return std::nullopt;
  }
  const std::int64_t inputs = qweight->shape[0];
  const std::int64_t groups = scales->shape[0];
  const std::int64_t outputs = scales->shape[1];
  if (inputs < 1 || groups < 1 || outputs < kPack || outputs % kPack != 0 || inputs % groups != 0 ||
      qweight->shape[1] != outputs / kPack) {
    return std::nullopt;
  }
  const bool has_zeros = qzeros != nullptr;
  if (has_zeros &&
      (qzeros->dtype != DType::kI32 || qzeros->shape != Shape{groups, outputs / kPack})) {
    return std::nullopt;
  }
  Scheme scheme;
  scheme.bits = 4;
  // One group and one channel are the same; keep the name that the config has for it.
  const bool whole = groups == 1 && declared.grid.block_cols != inputs;
  scheme.grid = whole ? Grid::channel() : Grid::group(inputs / groups);
  scheme.scale_dtype = scales->dtype;
  // Tensors before flags: lmdeploy says zero_point false beside real zero points.
  scheme.offset = has_zeros ? Offset::kZero : Offset::kNone;
  return holds(scheme) ? std::optional(scheme) : std::nullopt;
}

// words [n, out / 8] -> nibbles minus 8, I8 [out, n].
Result<Tensor> unpack(const Tensor& words) {
  const std::int64_t inputs = words.shape[0];
  const std::int64_t outputs = words.shape[1] * kPack;
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kI8, {outputs, inputs}));
  kernel::unpack_awq({.words = words.as<std::uint8_t>().data(),
                      .codes = out.as<std::uint8_t>().data(),
                      .inputs = inputs,
                      .outputs = outputs});
  return std::move(out).finish();
}

// Zero points that a symmetric scheme leaves out must all be 8.
Result<void> check_symmetric(const WeightParts& parts) {
  if (find_part(parts, "qzeros") == nullptr) return {};
  RQ_TRY(const Tensor qzeros, require_part(parts, "qzeros"));
  for (const std::uint8_t byte : qzeros.as<std::uint8_t>()) {
    if (byte != 0x88) return corrupt("'qzeros' is not 8 though the scheme is symmetric");
  }
  return {};
}

Result<QuantizedWeight> decode(const WeightParts& parts, const Scheme& scheme) {
  if (!holds(scheme)) return not_held(scheme);
  RQ_TRY(const Tensor scales, require_part(parts, "scales"));
  RQ_TRY(const Tensor qweight, require_part(parts, "qweight"));
  if (scales.dtype != scheme.scale_dtype || scales.shape.size() != 2 || scales.bytes.empty()) {
    return unexpected("scales", scales,
                      fmt::format("{} [groups, out]", name_of(scheme.scale_dtype)));
  }
  const std::int64_t outputs = scales.shape[1];
  if (qweight.dtype != DType::kI32 || qweight.shape.size() != 2 || outputs % kPack != 0 ||
      qweight.shape[1] != outputs / kPack || qweight.bytes.empty()) {
    return unexpected("qweight", qweight, fmt::format("I32 [in, {} / 8]", outputs));
  }
  QuantizedWeight out;
  out.scheme = scheme;
  out.rows = outputs;
  out.cols = qweight.shape[0];
  const std::int64_t groups = scheme.grid.cols_of(out.rows, out.cols);
  if (scales.shape[0] != groups) {
    return unexpected("scales", scales, fmt::format("{} groups", groups));
  }
  RQ_TRY(out.codes, unpack(qweight));
  RQ_TRY(out.scales, transpose(scales));
  if (scheme.offset == Offset::kZero) {
    RQ_TRY(const Tensor qzeros,
           require_part(parts, "qzeros", DType::kI32, {groups, outputs / kPack}));
    RQ_TRY(const Tensor zeros, unpack(qzeros));
    RQ_TRY(out.zeros, widen_i8(zeros));
  } else {
    RQ_CHECK(check_symmetric(parts));
  }
  RQ_CHECK(validate(out));
  return out;
}

Result<std::vector<PartSpec>> layout(const Scheme& scheme, std::int64_t rows, std::int64_t cols) {
  if (!holds(scheme)) return not_held(scheme);
  const std::int64_t groups = scheme.grid.cols_of(rows, cols);
  if (rows % kPack != 0 || cols % groups != 0) {
    return refused(fmt::format("awq-gemm packs 8 outputs to a word and whole groups, not {} x {}",
                               rows, cols));
  }
  return std::vector<PartSpec>{{"qweight", DType::kI32, {cols, rows / kPack}},
                               {"qzeros", DType::kI32, {groups, rows / kPack}},
                               {"scales", scheme.scale_dtype, {groups, rows}}};
}

// Codes [out, n] -> words [n, out / 8].
Result<Tensor> pack(std::string_view name, const Tensor& codes) {
  const std::int64_t outputs = codes.shape[0];
  const std::int64_t inputs = codes.shape[1];
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kI32, {inputs, outputs / kPack}));
  const bool fits = kernel::pack_awq({.codes = codes.as<std::uint8_t>().data(),
                                      .words = out.as<std::uint8_t>().data(),
                                      .inputs = inputs,
                                      .outputs = outputs});
  if (fits) return std::move(out).finish();
  const int misfit = *std::ranges::find_if(codes.as<std::int8_t>(),
                                           [](int code) { return code < -8 || code > 7; });
  return refused(fmt::format("'{}' would hold {}, outside 4 bits", name, misfit + 8));
}

Result<Tensor> pack_zeros(const QuantizedWeight& weight, const Shape& shape) {
  if (weight.scheme.offset == Offset::kZero) {
    RQ_TRY(const Tensor zeros, narrow_i16("qzeros", weight.zeros));
    return pack("qzeros", zeros);
  }
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kI32, shape));
  std::memset(out.bytes().data(), 0x88, out.bytes().size());
  return std::move(out).finish();
}

Result<WeightParts> encode(const QuantizedWeight& weight) {
  RQ_CHECK(validate(weight));
  RQ_TRY(const auto specs, layout(weight.scheme, weight.rows, weight.cols));
  WeightParts parts;
  RQ_TRY(parts["qweight"], pack("qweight", weight.codes));
  RQ_TRY(parts["qzeros"], pack_zeros(weight, specs[1].shape));
  RQ_TRY(parts["scales"], transpose(weight.scales));
  return parts;
}

}  // namespace

extern const Codec k_codec_awq_gemm;
const Codec k_codec_awq_gemm = {
    .name = "awq-gemm",
    .long_name = "AutoAWQ GEMM, 4-bit",
    .source = "casper-hansen/AutoAWQ awq/modules/linear/gemm.py@0.2.9",
    .holds = holds,
    .scheme_of = scheme_of,
    .decode = decode,
    .layout = layout,
    .encode = encode,
};

}  // namespace requant
