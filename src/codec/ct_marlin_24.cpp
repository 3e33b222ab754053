// compressed-tensors marlin-24: integers under a 2:4 mask, in the order of marlin's sparse tiles.
// Recognised only: the library wrote the layout up to 0.12 and never read it.
//
//   weight_packed  I32  [in / 32, out x bits / 2]
//   scale_packed   F16  [in / g, out]
//   meta           I16  [in / 32, out x 2]

#include "codec/codec.h"
#include "codec/parts.h"

namespace requant {
namespace {

bool holds(const Scheme& s) {
  return s.element == Element::kInt && (s.bits == 4 || s.bits == 8) &&
         (s.grid.is_group() || s.grid.is_channel()) && s.scale_dtype == DType::kF16 &&
         s.offset == Offset::kNone && !s.outer && !s.permuted && !s.input_multiplier &&
         s.rotation.empty() && s.activations.kind == ActivationKind::kNone && !s.is_dense();
}

bool is_matrix(const Tensor* tensor, DType dtype) {
  constexpr std::int64_t kMost = std::int64_t{1} << 32;
  return tensor != nullptr && tensor->dtype == dtype && tensor->shape.size() == 2 &&
         tensor->shape[0] >= 1 && tensor->shape[1] >= 1 && tensor->shape[0] <= kMost &&
         tensor->shape[1] <= kMost;
}

std::optional<Scheme> scheme_of(const WeightParts& parts, const Scheme& declared) {
  const Tensor* packed = find_part(parts, "weight_packed");
  const Tensor* scale = find_part(parts, "scale_packed");
  if (!is_matrix(packed, DType::kI32) || !is_matrix(scale, DType::kF16) ||
      !is_matrix(find_part(parts, "meta"), DType::kI16)) {
    return std::nullopt;
  }
  const std::int64_t inputs = packed->shape[0] * 32;
  const std::int64_t groups = scale->shape[0];
  const std::int64_t outputs = scale->shape[1];
  if (inputs % groups != 0 || packed->shape[1] * 2 % outputs != 0) return std::nullopt;
  const std::int64_t bits = packed->shape[1] * 2 / outputs;
  if (bits != 4 && bits != 8) return std::nullopt;
  Scheme scheme;
  scheme.bits = static_cast<int>(bits);
  const bool whole = groups == 1 && declared.grid.is_channel();
  scheme.grid = whole ? Grid::channel() : Grid::group(inputs / groups);
  scheme.scale_dtype = DType::kF16;
  return holds(scheme) ? std::optional(scheme) : std::nullopt;
}

}  // namespace

extern const Codec k_codec_ct_marlin_24;
const Codec k_codec_ct_marlin_24 = {
    .name = "ct-marlin-24",
    .long_name = "compressed-tensors marlin-24, recognised only",
    .source = "neuralmagic/compressed-tensors sparse_quantized_compressors/marlin_24.py@0.12.2",
    .holds = holds,
    .scheme_of = scheme_of,
};

}  // namespace requant
