#include "codec/mlx_words.h"

#include "base/checked.h"
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

bool is_plain_mlx(const Scheme& scheme) {
  return !scheme.permuted && !scheme.input_multiplier && scheme.rotation.empty() &&
         scheme.activations.kind == ActivationKind::kNone;
}

}  // namespace requant
