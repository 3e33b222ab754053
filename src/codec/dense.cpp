// A weight that is not quantised.
//
//   weight  F32 | F16 | BF16  [out, in]
//
// In the neutral form each element is its own scale (Scheme::dense).

#include "kernel/dense.h"

#include "codec/codec.h"
#include "codec/parts.h"

namespace requant {
namespace {

bool holds(const Scheme& scheme) {
  const DType dtype = scheme.scale_dtype;
  return scheme.is_dense() && scheme == Scheme::dense(dtype) && is_half_or_single(dtype);
}

// A float matrix alone does not say that it is a weight, so the config has to: otherwise every norm
// and embedding of a checkpoint would count as one.
std::optional<Scheme> scheme_of(const WeightParts& parts, const Scheme& declared) {
  const Tensor* weight = find_part(parts, "weight");
  if (!declared.is_dense() || weight == nullptr || weight->shape.size() != 2) return std::nullopt;
  const Scheme scheme = Scheme::dense(weight->dtype);
  return holds(scheme) ? std::optional(scheme) : std::nullopt;
}

Result<QuantizedWeight> decode(const WeightParts& parts, const Scheme& scheme) {
  if (!holds(scheme)) return refused("dense does not hold " + describe(scheme));
  RQ_TRY(const Tensor weight, require_part(parts, "weight"));
  if (weight.dtype != scheme.scale_dtype || weight.shape.size() != 2) {
    return unexpected("weight", weight, std::string(name_of(scheme.scale_dtype)) + " [out, in]");
  }
  return kernel::dense_weight(weight);
}

Result<std::vector<PartSpec>> layout(const Scheme& scheme, std::int64_t rows, std::int64_t cols) {
  if (!holds(scheme)) return refused("dense does not hold " + describe(scheme));
  return std::vector<PartSpec>{{"weight", scheme.scale_dtype, {rows, cols}}};
}

Result<WeightParts> encode(const QuantizedWeight& weight) {
  RQ_CHECK(validate(weight));
  if (!holds(weight.scheme)) return refused("dense does not hold " + describe(weight.scheme));
  for (const std::int8_t code : weight.codes.as<std::int8_t>()) {
    if (code != 1) return refused("dense weights have no codes but 1");
  }
  return WeightParts{{"weight", weight.scales}};
}

}  // namespace

extern const Codec k_codec_dense;
const Codec k_codec_dense = {
    .name = "dense",
    .long_name = "not quantised: F32, F16 or BF16",
    .source = "PyTorch nn.Linear: weight [out_features, in_features]",
    .holds = holds,
    .scheme_of = scheme_of,
    .decode = decode,
    .layout = layout,
    .encode = encode,
};

}  // namespace requant
