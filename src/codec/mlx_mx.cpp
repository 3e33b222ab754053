// MLX's microscaling modes (see mlx_words.h for the words): 32 inputs share a power of two.
//
//   weight  U32  [out, in / 8]   mxfp4: E2M1, the lowest bits first
//                [out, in / 4]   mxfp8: E4M3
//   scales  U8   [out, in / 32]  E8M0: 2^(byte - 127), 255 is NaN
//
// Which one it is follows from the words that share a scale.

#include "codec/codec.h"
#include "codec/mlx_words.h"
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
  RQ_TRY(QuantizedWeight out, decode_mlx(parts, scheme));
  RQ_CHECK(validate(out));
  return out;
}

Result<std::vector<PartSpec>> layout(const Scheme& scheme, std::int64_t rows, std::int64_t cols) {
  if (!holds(scheme)) return refused("mlx-mx does not hold " + describe(scheme));
  return mlx_layout("mlx-mx", scheme, DType::kU8, rows, cols);
}

Result<WeightParts> encode(const QuantizedWeight& weight) {
  RQ_CHECK(validate(weight));
  RQ_TRY(const auto specs, layout(weight.scheme, weight.rows, weight.cols));
  return encode_mlx(weight, specs);
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
