// AutoAWQ "GEMV": 4-bit codes along the inputs, in order.
//
//   qweight  I32  [out, in / 8]
//   qzeros   I32  [out, w]      the zero points of a row's groups, in order; zeros beyond the last
//   scales   F16  [out, 8 x w]  zeros beyond the last group
//
// w = groups / 8, rounded up, for groups of 64 to a multiple of 2 and for groups of 32 of 4. The
// group itself is not in the shapes: it must be declared. W = (code - zero) x scale.

#include <fmt/format.h>

#include <algorithm>

#include "codec/awq_gemv_shape.h"
#include "codec/codec.h"
#include "codec/parts.h"
#include "kernel/bits.h"

namespace requant {
namespace {

constexpr std::int64_t kPack = 8;
constexpr std::int64_t kMaxExtent = std::int64_t{1} << 40;

bool holds(const Scheme& s) {
  return s.element == Element::kInt && s.bits == 4 && is_awq_gemv_grid(s.grid) &&
         s.scale_dtype == DType::kF16 && s.offset == Offset::kZero && !s.outer && !s.permuted &&
         !s.input_multiplier && s.rotation.empty() && s.activations.kind == ActivationKind::kNone;
}

Error not_held(const Scheme& scheme) {
  return refused("awq-gemv does not hold " + describe(scheme));
}

std::optional<Scheme> scheme_of(const WeightParts& parts, const Scheme& declared) {
  const Tensor* qweight = find_part(parts, "qweight");
  const Tensor* qzeros = find_part(parts, "qzeros");
  const Tensor* scales = find_part(parts, "scales");
  if (qweight == nullptr || qzeros == nullptr || scales == nullptr ||
      find_part(parts, "g_idx") != nullptr || qweight->dtype != DType::kI32 ||
      qzeros->dtype != DType::kI32 || scales->dtype != DType::kF16 || qweight->shape.size() != 2) {
    return std::nullopt;
  }
  const std::int64_t rows = qweight->shape[0];
  if (rows < 1 || qweight->shape[1] < 1 || qweight->shape[1] > kMaxExtent) return std::nullopt;
  const std::int64_t cols = qweight->shape[1] * kPack;
  Scheme scheme;
  scheme.bits = 4;
  scheme.grid = declared.grid;
  scheme.scale_dtype = DType::kF16;
  scheme.offset = Offset::kZero;
  if (!holds(scheme) || (scheme.grid.is_group() && cols % scheme.grid.block_cols != 0)) {
    return std::nullopt;
  }
  const std::int64_t words = awq_zero_words(scheme.grid, cols);
  const bool fits =
      qzeros->shape == Shape{rows, words} && scales->shape == Shape{rows, kPack * words};
  return fits ? std::optional(scheme) : std::nullopt;
}

// The first `count` of the `stride` elements of each row.
template <class T>
Result<Tensor> first_of_rows(const Tensor& from, std::int64_t count) {
  const std::int64_t rows = from.shape[0];
  const std::int64_t stride = from.shape[1];
  RQ_TRY(TensorBuilder out, TensorBuilder::make(from.dtype, {rows, count}));
  for (std::int64_t row = 0; row < rows; ++row) {
    std::copy_n(from.as<T>().data() + row * stride, count, out.as<T>().data() + row * count);
  }
  return std::move(out).finish();
}

// words [n, w] -> codes minus 8, I8 [n, 8 x w]. Each row is a stream of its own.
Result<Tensor> unpack(const Tensor& words) {
  const std::int64_t cols = words.shape[1] * kPack;
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kI8, {words.shape[0], cols}));
  kernel::unpack_bits({.packed = words.as<std::uint8_t>().data(),
                       .row_bytes = cols / 2,
                       .codes = out.as<std::uint8_t>().data(),
                       .rows = words.shape[0],
                       .cols = cols,
                       .bits = 4,
                       .bias = 8});
  return std::move(out).finish();
}

Result<QuantizedWeight> decode(const WeightParts& parts, const Scheme& scheme) {
  if (!holds(scheme)) return not_held(scheme);
  RQ_TRY(const Tensor qweight, require_part(parts, "qweight"));
  RQ_TRY(const Tensor qzeros, require_part(parts, "qzeros"));
  RQ_TRY(const Tensor scales, require_part(parts, "scales"));
  if (scheme_of(parts, scheme) != scheme) {
    return unexpected(
        "qweight", qweight,
        fmt::format("I32 [out, in / 8] beside qzeros and scales of {}", describe(scheme.grid)));
  }
  QuantizedWeight out;
  out.scheme = scheme;
  out.rows = qweight.shape[0];
  out.cols = qweight.shape[1] * kPack;
  const std::int64_t groups = scheme.grid.cols_of(out.rows, out.cols);
  RQ_TRY(out.codes, unpack(qweight));
  RQ_TRY(out.scales, first_of_rows<std::uint16_t>(scales, groups));
  RQ_TRY(const Tensor padded, unpack(qzeros));
  RQ_TRY(const Tensor zeros, first_of_rows<std::int8_t>(padded, groups));
  RQ_TRY(out.zeros, widen_i8(zeros));
  RQ_CHECK(validate(out));
  return out;
}

Result<std::vector<PartSpec>> layout(const Scheme& scheme, std::int64_t rows, std::int64_t cols) {
  if (!holds(scheme)) return not_held(scheme);
  if (cols % kPack != 0 || (scheme.grid.is_group() && cols % scheme.grid.block_cols != 0)) {
    return refused(
        fmt::format("awq-gemv packs 8 inputs to a word and whole groups, not {} x {}", rows, cols));
  }
  const std::int64_t words = awq_zero_words(scheme.grid, cols);
  return std::vector<PartSpec>{{"qweight", DType::kI32, {rows, cols / kPack}},
                               {"qzeros", DType::kI32, {rows, words}},
                               {"scales", DType::kF16, {rows, kPack * words}}};
}

// Codes [n, m] -> words [n, w], zeros beyond m.
Result<Tensor> pack(std::string_view name, const Tensor& codes, const Shape& shape) {
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kI32, shape));
  const bool fits = kernel::pack_bits({.codes = codes.as<std::uint8_t>().data(),
                                       .rows = codes.shape[0],
                                       .cols = codes.shape[1],
                                       .packed = out.as<std::uint8_t>().data(),
                                       .row_bytes = 4 * shape[1],
                                       .bits = 4,
                                       .bias = 8});
  if (fits) return std::move(out).finish();
  const int misfit = *std::ranges::find_if(codes.as<std::int8_t>(),
                                           [](int code) { return code < -8 || code > 7; });
  return refused(fmt::format("'{}' would hold {}, outside 4 bits", name, misfit + 8));
}

Result<Tensor> pad_scales(const Tensor& scales, const Shape& shape) {
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kF16, shape));
  std::ranges::fill(out.bytes(), std::byte{0});
  const std::int64_t groups = scales.shape[1];
  for (std::int64_t row = 0; row < scales.shape[0]; ++row) {
    std::copy_n(scales.as<std::uint16_t>().data() + row * groups, groups,
                out.as<std::uint16_t>().data() + row * shape[1]);
  }
  return std::move(out).finish();
}

Result<WeightParts> encode(const QuantizedWeight& weight) {
  RQ_CHECK(validate(weight));
  RQ_TRY(const auto specs, layout(weight.scheme, weight.rows, weight.cols));
  WeightParts parts;
  RQ_TRY(parts["qweight"], pack("qweight", weight.codes, specs[0].shape));
  RQ_TRY(const Tensor zeros, narrow_i16("qzeros", weight.zeros));
  RQ_TRY(parts["qzeros"], pack("qzeros", zeros, specs[1].shape));
  RQ_TRY(parts["scales"], pad_scales(weight.scales, specs[2].shape));
  return parts;
}

}  // namespace

extern const Codec k_codec_awq_gemv;
const Codec k_codec_awq_gemv = {
    .name = "awq-gemv",
    .long_name = "AutoAWQ GEMV, 4-bit",
    .source = "casper-hansen/AutoAWQ awq/modules/linear/gemv.py@0.2.9",
    .holds = holds,
    .scheme_of = scheme_of,
    .decode = decode,
    .layout = layout,
    .encode = encode,
};

}  // namespace requant
