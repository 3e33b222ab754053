// AutoAWQ "GEMV_fast" and llm-awq: 4-bit codes of four outputs in one 16-bit word.
//
//   qweight  I16  [out / 4, in]
//   scales   F16  [8 x w, out]  w as in awq_gemv.cpp; zeros beyond the last group
//   qzeros   F16  [8 x w, out]  -(scale x zero point), as rounded
//
// W = code x scale + qzeros: a scheme with minima, codes 0 to 15. The zero points themselves are
// not stored, and the group is not in the shapes: it must be declared.
//
// Runs of 64 inputs of four outputs share 64 words. Within 32 inputs, input 8a + 2b + c stands at
// 8b + 4c + a; the entry of output r at place p of 64 is nibble p % 4 of word 16r + p / 4.

#include <fmt/format.h>

#include <algorithm>

#include "codec/awq_gemv_shape.h"
#include "codec/codec.h"
#include "codec/parts.h"

namespace requant {
namespace {

constexpr std::int64_t kOutputs = 4;
constexpr std::int64_t kRun = 64;
constexpr std::int64_t kPack = 8;
constexpr std::int64_t kMaxExtent = std::int64_t{1} << 40;

bool holds(const Scheme& s) {
  return s.element == Element::kInt && s.bits == 4 && is_awq_gemv_grid(s.grid) &&
         s.scale_dtype == DType::kF16 && s.offset == Offset::kMinimum && !s.outer && !s.permuted &&
         !s.input_multiplier && s.rotation.empty() && s.activations.kind == ActivationKind::kNone;
}

Error not_held(const Scheme& scheme) {
  return refused("awq-gemv-fast does not hold " + describe(scheme));
}

std::int64_t scale_rows(const Grid& grid, std::int64_t cols) {
  return kPack * awq_zero_words(grid, cols);
}

std::optional<Scheme> scheme_of(const WeightParts& parts, const Scheme& declared) {
  const Tensor* qweight = find_part(parts, "qweight");
  const Tensor* qzeros = find_part(parts, "qzeros");
  const Tensor* scales = find_part(parts, "scales");
  if (qweight == nullptr || qzeros == nullptr || scales == nullptr ||
      qweight->dtype != DType::kI16 || qzeros->dtype != DType::kF16 ||
      scales->dtype != DType::kF16 || qweight->shape.size() != 2 || qweight->shape[0] < 1 ||
      qweight->shape[0] > kMaxExtent || qweight->shape[1] < 1) {
    return std::nullopt;
  }
  const std::int64_t rows = qweight->shape[0] * kOutputs;
  const std::int64_t cols = qweight->shape[1];
  Scheme scheme;
  scheme.bits = 4;
  scheme.grid = declared.grid;
  scheme.scale_dtype = DType::kF16;
  scheme.offset = Offset::kMinimum;
  if (!holds(scheme) || cols % kRun != 0 ||
      (scheme.grid.is_group() && cols % scheme.grid.block_cols != 0)) {
    return std::nullopt;
  }
  const Shape shape = {scale_rows(scheme.grid, cols), rows};
  return qzeros->shape == shape && scales->shape == shape ? std::optional(scheme) : std::nullopt;
}

// Where the code of (output, input) lies: word of the tensor, and nibble.
struct Place {
  std::size_t word;
  int shift;
};

Place place_of(std::int64_t output, std::int64_t input, std::int64_t cols) {
  const std::int64_t in_half = input % 32;
  const std::int64_t place =
      input % kRun / 32 * 32 + in_half % 8 / 2 * 8 + in_half % 2 * 4 + in_half / 8;
  const std::int64_t word =
      output / kOutputs * cols + input / kRun * kRun + output % kOutputs * 16 + place / 4;
  return {static_cast<std::size_t>(word), static_cast<int>(4 * (place % 4))};
}

Result<Tensor> unpack(const Tensor& words, std::int64_t rows, std::int64_t cols) {
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kU8, {rows, cols}));
  const auto from = words.as<std::uint16_t>();
  auto* to = out.as<std::uint8_t>().data();
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t col = 0; col < cols; ++col) {
      const Place place = place_of(row, col, cols);
      *to++ = static_cast<std::uint8_t>(from[place.word] >> place.shift & 0xF);
    }
  }
  return std::move(out).finish();
}

// The first `groups` rows of [8 x w, out], as [out, groups].
Result<Tensor> of_groups(const Tensor& padded, std::int64_t groups) {
  const std::int64_t rows = padded.shape[1];
  const auto bytes = static_cast<std::size_t>(groups * rows) * 2;
  return transpose(Tensor{padded.dtype, {groups, rows}, padded.bytes.slice(0, bytes)});
}

Result<QuantizedWeight> decode(const WeightParts& parts, const Scheme& scheme) {
  if (!holds(scheme)) return not_held(scheme);
  RQ_TRY(const Tensor qweight, require_part(parts, "qweight"));
  RQ_TRY(const Tensor qzeros, require_part(parts, "qzeros"));
  RQ_TRY(const Tensor scales, require_part(parts, "scales"));
  if (scheme_of(parts, scheme) != scheme) {
    return unexpected(
        "qweight", qweight,
        fmt::format("I16 [out / 4, in] beside qzeros and scales of {}", describe(scheme.grid)));
  }
  QuantizedWeight out;
  out.scheme = scheme;
  out.rows = qweight.shape[0] * kOutputs;
  out.cols = qweight.shape[1];
  const std::int64_t groups = scheme.grid.cols_of(out.rows, out.cols);
  RQ_TRY(out.codes, unpack(qweight, out.rows, out.cols));
  RQ_TRY(out.scales, of_groups(scales, groups));
  RQ_TRY(out.minima, of_groups(qzeros, groups));
  RQ_CHECK(validate(out));
  return out;
}

Result<std::vector<PartSpec>> layout(const Scheme& scheme, std::int64_t rows, std::int64_t cols) {
  if (!holds(scheme)) return not_held(scheme);
  if (rows % kOutputs != 0 || cols % kRun != 0 ||
      (scheme.grid.is_group() && cols % scheme.grid.block_cols != 0)) {
    return refused(
        fmt::format("awq-gemv-fast packs 4 outputs by 64 inputs and whole groups, not "
                    "{} x {}",
                    rows, cols));
  }
  const Shape shape = {scale_rows(scheme.grid, cols), rows};
  return std::vector<PartSpec>{{"qweight", DType::kI16, {rows / kOutputs, cols}},
                               {"qzeros", DType::kF16, shape},
                               {"scales", DType::kF16, shape}};
}

Result<Tensor> pack(const Tensor& codes, const Shape& shape) {
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kI16, shape));
  std::ranges::fill(out.bytes(), std::byte{0});
  const auto words = out.as<std::uint16_t>();
  const auto* code = codes.as<std::uint8_t>().data();
  for (std::int64_t row = 0; row < codes.shape[0]; ++row) {
    for (std::int64_t col = 0; col < codes.shape[1]; ++col, ++code) {
      if (*code > 15) return refused(fmt::format("'qweight' would hold {}, outside 4 bits", *code));
      const Place place = place_of(row, col, codes.shape[1]);
      words[place.word] = static_cast<std::uint16_t>(words[place.word] | *code << place.shift);
    }
  }
  return std::move(out).finish();
}

// [out, groups] -> [8 x w, out], zeros beyond the groups.
Result<Tensor> pad(const Tensor& values, const Shape& shape) {
  RQ_TRY(const Tensor turned, transpose(values));
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kF16, shape));
  std::ranges::fill(out.bytes(), std::byte{0});
  std::ranges::copy(turned.bytes.span(), out.bytes().begin());
  return std::move(out).finish();
}

Result<WeightParts> encode(const QuantizedWeight& weight) {
  RQ_CHECK(validate(weight));
  RQ_TRY(const auto specs, layout(weight.scheme, weight.rows, weight.cols));
  if (weight.minima.dtype != DType::kF16) {
    return refused(
        fmt::format("'qzeros' would be {}, awq-gemv-fast has F16", name_of(weight.minima.dtype)));
  }
  WeightParts parts;
  RQ_TRY(parts["qweight"], pack(weight.codes, specs[0].shape));
  RQ_TRY(parts["qzeros"], pad(weight.minima, specs[1].shape));
  RQ_TRY(parts["scales"], pad(weight.scales, specs[2].shape));
  return parts;
}

}  // namespace

extern const Codec k_codec_awq_gemv_fast;
const Codec k_codec_awq_gemv_fast = {
    .name = "awq-gemv-fast",
    .long_name = "AutoAWQ GEMV_fast and llm-awq, 4-bit",
    .source = "casper-hansen/AutoAWQ awq/modules/linear/gemv_fast.py@0.2.9",
    .holds = holds,
    .scheme_of = scheme_of,
    .decode = decode,
    .layout = layout,
    .encode = encode,
};

}  // namespace requant
