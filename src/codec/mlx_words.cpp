#include "codec/mlx_words.h"

#include <fmt/format.h>

#include <utility>

#include "base/checked.h"
#include "codec/packed_codes.h"
#include "codec/parts.h"

namespace requant {
namespace {

constexpr std::int64_t kWordBits = 32;
constexpr std::int64_t kMaxExtent = std::int64_t{1} << 40;

}  // namespace

std::optional<MlxShape> mlx_shape(const WeightParts& parts) {
  const Tensor* weight = find_part(parts, "weight");
  const Tensor* scales = find_part(parts, "scales");
  if (weight == nullptr || scales == nullptr || weight->dtype != DType::kU32) return std::nullopt;
  const Shape& words = weight->shape;
  const Shape& groups = scales->shape;
  const std::size_t rank = words.size();
  if ((rank != 2 && rank != 3) || groups.size() != rank) return std::nullopt;
  for (std::size_t i = 0; i < rank; ++i) {
    const bool sized =
        words[i] >= 1 && words[i] <= kMaxExtent && groups[i] >= 1 && groups[i] <= kMaxExtent;
    if (!sized || (i + 1 < rank && words[i] != groups[i])) return std::nullopt;
  }
  MlxShape shape;
  shape.experts = rank == 3 ? words[0] : 1;
  const auto rows = (Checked::from_signed(shape.experts) * Checked::from_signed(words[rank - 2]));
  if (!rows.value() || *rows.value() > std::uint64_t{kMaxExtent}) return std::nullopt;
  shape.rows = static_cast<std::int64_t>(*rows.value());
  shape.words = words.back();
  shape.groups = groups.back();
  return shape;
}

std::int64_t mlx_cols(const MlxShape& shape, int bits) { return shape.words * kWordBits / bits; }

bool fits_mlx(const MlxShape& shape, int bits, std::int64_t group) {
  return bits >= 1 && group >= 1 && group <= kMaxExtent && shape.words * kWordBits % bits == 0 &&
         mlx_cols(shape, bits) % group == 0 && mlx_cols(shape, bits) / group == shape.groups;
}

Result<QuantizedWeight> decode_mlx(const WeightParts& parts, const Scheme& scheme) {
  const auto shape = mlx_shape(parts);
  if (!shape) return corrupt("'weight' and 'scales' are not those of " + describe(scheme));
  RQ_TRY(const Tensor words, require_part(parts, "weight"));
  RQ_TRY(const Tensor scales, require_part(parts, "scales"));
  QuantizedWeight out;
  out.scheme = scheme;
  out.rows = shape->rows;
  out.cols = mlx_cols(*shape, scheme.bits);
  if (scheme.bits == 8) {
    out.codes = relabel(words, DType::kU8, {out.rows, out.cols});
  } else {
    RQ_TRY(out.codes, unpack_codes(words, out.rows, out.cols, scheme.bits));
  }
  out.scales = relabel(scales, scheme.scale_dtype, {shape->rows, shape->groups});
  return out;
}

Result<std::vector<PartSpec>> mlx_layout(std::string_view codec, const Scheme& scheme, DType scales,
                                         std::int64_t rows, std::int64_t cols) {
  const std::int64_t group = scheme.grid.block_cols;
  if (cols < group || cols % group != 0) {
    return refused(fmt::format("{} needs whole groups of {}, not {}", codec, group, cols));
  }
  return std::vector<PartSpec>{{"weight", DType::kU32, {rows, cols * scheme.bits / kWordBits}},
                               {"scales", scales, {rows, cols / group}}};
}

Result<WeightParts> encode_mlx(const QuantizedWeight& weight, const std::vector<PartSpec>& specs) {
  Tensor codes = weight.codes;
  if (weight.scheme.bits != 8) {
    RQ_TRY(codes, pack_codes(weight.codes, weight.scheme.bits));
  }
  WeightParts parts;
  parts["weight"] = relabel(std::move(codes), DType::kU32, specs[0].shape);
  parts["scales"] = relabel(weight.scales, specs[1].dtype, specs[1].shape);
  return parts;
}

bool is_plain_mlx(const Scheme& scheme) {
  return !scheme.permuted && !scheme.input_multiplier && scheme.rotation.empty() &&
         scheme.activations.kind == ActivationKind::kNone;
}

}  // namespace requant
