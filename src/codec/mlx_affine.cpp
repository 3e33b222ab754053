// MLX's affine quantisation (see mlx_words.h for the words).
//
//   weight  U32                [out, in x b / 32]
//   scales  F16 | BF16 | F32   [out, in / g]
//   biases  as scales          [out, in / g]
//
// W = code x scale + bias with codes from 0. Bits and group cannot be told from the shapes alone
// (b x g can): the config says them. Scales may be negative.

#include <fmt/format.h>

#include "codec/codec.h"
#include "codec/mlx_words.h"
#include "codec/parts.h"

namespace requant {
namespace {

bool is_width(int bits) {
  return bits == 2 || bits == 3 || bits == 4 || bits == 5 || bits == 6 || bits == 8;
}

bool holds(const Scheme& s) {
  const std::int64_t group = s.grid.block_cols;
  return s.element == Element::kInt && is_width(s.bits) && s.grid.is_group() &&
         (group == 32 || group == 64 || group == 128) && is_half_or_single(s.scale_dtype) &&
         s.offset == Offset::kMinimum && !s.outer && is_plain_mlx(s);
}

std::optional<Scheme> scheme_of(const WeightParts& parts, const Scheme& declared) {
  const Tensor* scales = find_part(parts, "scales");
  const Tensor* biases = find_part(parts, "biases");
  const auto shape = mlx_shape(parts);
  if (!shape || biases == nullptr || biases->dtype != scales->dtype ||
      biases->shape != scales->shape ||
      !fits_mlx(*shape, declared.bits, declared.grid.block_cols)) {
    return std::nullopt;
  }
  Scheme scheme;
  scheme.bits = declared.bits;
  scheme.grid = Grid::group(declared.grid.block_cols);
  scheme.scale_dtype = scales->dtype;
  scheme.offset = Offset::kMinimum;
  return holds(scheme) ? std::optional(scheme) : std::nullopt;
}

Result<QuantizedWeight> decode(const WeightParts& parts, const Scheme& scheme) {
  if (scheme_of(parts, scheme) != scheme) {
    return corrupt("'weight', 'scales' and 'biases' are not those of " + describe(scheme));
  }
  RQ_TRY(const Tensor biases, require_part(parts, "biases"));
  RQ_TRY(QuantizedWeight out, decode_mlx(parts, scheme));
  out.minima = relabel(biases, biases.dtype, out.scales.shape);
  RQ_CHECK(validate(out));
  return out;
}

Result<std::vector<PartSpec>> layout(const Scheme& scheme, std::int64_t rows, std::int64_t cols) {
  if (!holds(scheme)) return refused("mlx-affine does not hold " + describe(scheme));
  RQ_TRY(auto specs, mlx_layout("mlx-affine", scheme, scheme.scale_dtype, rows, cols));
  specs.push_back({"biases", scheme.scale_dtype, specs.back().shape});
  return specs;
}

Result<WeightParts> encode(const QuantizedWeight& weight) {
  RQ_CHECK(validate(weight));
  RQ_TRY(const auto specs, layout(weight.scheme, weight.rows, weight.cols));
  if (weight.minima.dtype != weight.scheme.scale_dtype) {
    return refused(fmt::format("mlx-affine has biases of the scales' {}, not {}",
                               name_of(weight.scheme.scale_dtype), name_of(weight.minima.dtype)));
  }
  RQ_TRY(WeightParts parts, encode_mlx(weight, specs));
  parts["biases"] = weight.minima;
  return parts;
}

}  // namespace

extern const Codec k_codec_mlx_affine;
const Codec k_codec_mlx_affine = {
    .name = "mlx-affine",
    .long_name = "MLX affine: 2, 3, 4, 5, 6 and 8 bits",
    .source = "ml-explore/mlx mlx/ops.cpp (affine_quantize)@0.32.4",
    .holds = holds,
    .scheme_of = scheme_of,
    .decode = decode,
    .layout = layout,
    .encode = encode,
};

}  // namespace requant
