// FP8 of ModelOpt, all experts of a layer in one tensor.
//
//   weight        F8_E4M3  [experts, inputs, outputs]
//   weight_scale  F32      []
//   input_scale   F32      []; only static activations

#include "codec/codec.h"
#include "codec/modelopt_stack.h"
#include "codec/parts.h"

namespace requant {

extern const Codec k_codec_modelopt_w8;

namespace {

bool holds(const Scheme& scheme) { return k_codec_modelopt_w8.holds(scheme); }

std::optional<Scheme> scheme_of(const WeightParts& parts, const Scheme& declared) {
  const auto matrix = matrix_of_stack(parts);
  return matrix && *matrix ? k_codec_modelopt_w8.scheme_of(**matrix, declared) : std::nullopt;
}

Result<QuantizedWeight> decode(const WeightParts& parts, const Scheme& scheme) {
  RQ_TRY(const auto matrix, matrix_of_stack(parts));
  if (!matrix) {
    RQ_TRY(const Tensor weight, require_part(parts, "weight"));
    return unexpected("weight", weight, "[experts, inputs, outputs]");
  }
  return k_codec_modelopt_w8.decode(*matrix, scheme);
}

}  // namespace

extern const Codec k_codec_modelopt_w8_stack;
const Codec k_codec_modelopt_w8_stack = {
    .name = "modelopt-w8-stack",
    .long_name = "ModelOpt FP8, a stack of experts",
    .source = "nvidia-modelopt torch/export/unified_export_hf.py@0.47.0, is_bmm_expert_weight",
    .holds = holds,
    .scheme_of = scheme_of,
    .decode = decode,
};

}  // namespace requant
