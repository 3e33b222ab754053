// MLX's nvfp4 (see mlx_words.h for the words): 16 inputs share a scale, and nothing is over those.
//
//   weight        U32  [out, in / 8]   E2M1, the lowest bits first
//   scales        U8   [out, in / 16]  the bits of E4M3
//   global_scale  F32  [experts]       optional; for one matrix [] or [1]
//
// W = weight x scales, times global_scale / (448 x 6) where there is one.

#include "codec/codec.h"
#include "codec/mlx_words.h"
#include "codec/parts.h"

namespace requant {
namespace {

constexpr std::int64_t kGroup = 16;
constexpr float kRange = 448 * 6;
constexpr std::string_view kGlobal = "global_scale";

// One factor for the matrix of each expert.
OuterScale outer_of(const MlxShape& shape) {
  OuterScale outer;
  if (shape.experts > 1) outer.grid = Grid::block(shape.rows / shape.experts, 0);
  return outer;
}

bool holds(const Scheme& s) {
  return s.element == Element::kE2M1 && s.bits == 4 && s.grid == Grid::group(kGroup) &&
         s.scale_dtype == DType::kF8E4M3 && s.offset == Offset::kNone && !s.outer &&
         is_plain_mlx(s);
}

bool is_global(const Tensor& tensor, const MlxShape& shape) {
  return tensor.dtype == DType::kF32 &&
         (tensor.shape == Shape{shape.experts} || (tensor.shape.empty() && shape.experts == 1));
}

std::optional<Scheme> scheme_of(const WeightParts& parts, const Scheme&) {
  const auto shape = mlx_shape(parts);
  const Tensor* global = find_part(parts, kGlobal);
  if (!shape || find_part(parts, "scales")->dtype != DType::kU8 ||
      find_part(parts, "biases") != nullptr || !fits_mlx(*shape, 4, kGroup) ||
      (global != nullptr && !is_global(*global, *shape))) {
    return std::nullopt;
  }
  Scheme scheme;
  scheme.element = Element::kE2M1;
  scheme.bits = 4;
  scheme.grid = Grid::group(kGroup);
  scheme.scale_dtype = DType::kF8E4M3;
  if (global != nullptr) scheme.outer = outer_of(*shape);
  return scheme;
}

// The factor as MLX computes it, in F32, and the number that was stored beside it.
Result<void> decode_global(const WeightParts& parts, const MlxShape& shape, QuantizedWeight& out) {
  if (find_part(parts, kGlobal) == nullptr) return {};
  RQ_TRY(const Tensor stored, require_part(parts, kGlobal));
  RQ_TRY(TensorBuilder factors, TensorBuilder::make(DType::kF32, {shape.experts, 1}));
  for (std::int64_t i = 0; i < shape.experts; ++i) {
    const auto at = static_cast<std::size_t>(i);
    factors.as<float>()[at] = stored.as<float>()[at] / kRange;
  }
  out.outer_scales = std::move(factors).finish();
  out.dialect_private.emplace(kGlobal, stored);
  return {};
}

Result<QuantizedWeight> decode(const WeightParts& parts, const Scheme& scheme) {
  if (scheme_of(parts, scheme) != scheme) {
    return corrupt("'weight' and 'scales' are not those of " + describe(scheme));
  }
  RQ_TRY(QuantizedWeight out, decode_mlx(parts, scheme));
  RQ_CHECK(decode_global(parts, *mlx_shape(parts), out));
  RQ_CHECK(validate(out));
  return out;
}

Result<std::vector<PartSpec>> layout(const Scheme& scheme, std::int64_t rows, std::int64_t cols) {
  if (!holds(scheme)) return refused("mlx-nvfp4 does not hold " + describe(scheme));
  return mlx_layout("mlx-nvfp4", scheme, DType::kU8, rows, cols);
}

Result<WeightParts> encode(const QuantizedWeight& weight) {
  RQ_CHECK(validate(weight));
  RQ_TRY(const auto specs, layout(weight.scheme, weight.rows, weight.cols));
  return encode_mlx(weight, specs);
}

}  // namespace

extern const Codec k_codec_mlx_nvfp4;
const Codec k_codec_mlx_nvfp4 = {
    .name = "mlx-nvfp4",
    .long_name = "MLX nvfp4",
    .source = "ml-explore/mlx mlx/ops.cpp (fp_quantize)@0.32.4",
    .holds = holds,
    .scheme_of = scheme_of,
    .decode = decode,
    .layout = layout,
    .encode = encode,
};

}  // namespace requant
