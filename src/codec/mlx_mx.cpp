// MLX's microscaling modes (see mlx_words.h for the words): 32 inputs share a power of two.
//
//   weight  U32  [out, in / 8]   mxfp4: E2M1, the lowest bits first
//                [out, in / 4]   mxfp8: E4M3
//   scales  U8   [out, in / 32]  E8M0: 2^(byte - 127), 255 is NaN
//
// Which one it is follows from the words that share a scale.

#include <fmt/format.h>

#include "codec/codec.h"
#include "codec/mlx_words.h"
#include "codec/packed_codes.h"
#include "codec/parts.h"

namespace requant {
namespace {

constexpr std::int64_t kGroup = 32;

bool holds(const Scheme& s) {
  return (s.element == Element::kE2M1 || s.element == Element::kE4M3Fn) &&
         s.bits == info(s.element).bits && s.grid == Grid::group(kGroup) &&
         s.scale_dtype == DType::kF8E8M0 && s.offset == Offset::kNone && !s.outer &&
         is_plain_mlx(s);
}

std::optional<Scheme> scheme_of(const WeightParts& parts, const Scheme&) {
  const auto shape = mlx_shape(parts);
  if (!shape || find_part(parts, "scales")->dtype != DType::kU8 ||
      find_part(parts, "biases") != nullptr) {
    return std::nullopt;
  }
  Scheme scheme;
  scheme.grid = Grid::group(kGroup);
  scheme.scale_dtype = DType::kF8E8M0;
  for (const Element element : {Element::kE2M1, Element::kE4M3Fn}) {
    scheme.element = element;
    scheme.bits = info(element).bits;
    if (fits_mlx(*shape, scheme.bits, kGroup)) return scheme;
  }
  return std::nullopt;
}

Result<QuantizedWeight> decode(const WeightParts& parts, const Scheme& scheme) {
  if (scheme_of(parts, scheme) != scheme) {
    return corrupt("'weight' and 'scales' are not those of " + describe(scheme));
  }
  const MlxShape shape = *mlx_shape(parts);
  RQ_TRY(const Tensor words, require_part(parts, "weight"));
  RQ_TRY(const Tensor scales, require_part(parts, "scales"));
  QuantizedWeight out;
  out.scheme = scheme;
  out.rows = shape.rows;
  out.cols = mlx_cols(shape, scheme.bits);
  if (scheme.bits == 8) {
    out.codes = relabel(words, DType::kU8, {out.rows, out.cols});
  } else {
    RQ_TRY(out.codes, unpack_codes(words, out.rows, out.cols, scheme.bits));
  }
  out.scales = relabel(scales, DType::kF8E8M0, {shape.rows, shape.groups});
  RQ_CHECK(validate(out));
  return out;
}

Result<std::vector<PartSpec>> layout(const Scheme& scheme, std::int64_t rows, std::int64_t cols) {
  if (!holds(scheme)) return refused("mlx-mx does not hold " + describe(scheme));
  if (cols < kGroup || cols % kGroup != 0) {
    return refused(fmt::format("mlx-mx needs whole groups of 32, not {}", cols));
  }
  return std::vector<PartSpec>{{"weight", DType::kU32, {rows, cols / 32 * scheme.bits}},
                               {"scales", DType::kU8, {rows, cols / kGroup}}};
}

Result<WeightParts> encode(const QuantizedWeight& weight) {
  RQ_CHECK(validate(weight));
  RQ_TRY(const auto specs, layout(weight.scheme, weight.rows, weight.cols));
  WeightParts parts;
  Tensor codes = weight.codes;
  if (weight.scheme.bits != 8) {
    RQ_TRY(codes, pack_codes(weight.codes, weight.scheme.bits));
  }
  parts["weight"] = relabel(std::move(codes), DType::kU32, specs[0].shape);
  parts["scales"] = relabel(weight.scales, DType::kU8, specs[1].shape);
  return parts;
}

}  // namespace

extern const Codec k_codec_mlx_mx;
const Codec k_codec_mlx_mx = {
    .name = "mlx-mx",
    .long_name = "MLX mxfp4 and mxfp8",
    .source = "ml-explore/mlx mlx/ops.cpp (fp_quantize)@0.32.4",
    .holds = holds,
    .scheme_of = scheme_of,
    .decode = decode,
    .layout = layout,
    .encode = encode,
};

}  // namespace requant
