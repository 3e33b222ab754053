// NVFP4 of ModelOpt, all experts of a layer in one tensor.
//
//   weight          U8       [experts, inputs / 2, outputs]    E2M1, the even input in the low
//   nibble weight_scale    F8_E4M3  [experts, inputs / 16, outputs] weight_scale_2  F32      []
//   input_scale     F32      []; absent where activations are not quantised

#include "codec/codec.h"
#include "codec/modelopt_stack.h"
#include "codec/parts.h"

namespace requant {

extern const Codec k_codec_modelopt_nvfp4;

namespace {

bool holds(const Scheme& scheme) { return k_codec_modelopt_nvfp4.holds(scheme); }

std::optional<Scheme> scheme_of(const WeightParts& parts, const Scheme& declared) {
  const auto matrix = matrix_of_stack(parts);
  return matrix && *matrix ? k_codec_modelopt_nvfp4.scheme_of(**matrix, declared) : std::nullopt;
}

Result<QuantizedWeight> decode(const WeightParts& parts, const Scheme& scheme) {
  RQ_TRY(const auto matrix, matrix_of_stack(parts));
  if (!matrix) {
    RQ_TRY(const Tensor weight, require_part(parts, "weight"));
    return unexpected("weight", weight, "U8 [experts, inputs / 2, outputs]");
  }
  return k_codec_modelopt_nvfp4.decode(*matrix, scheme);
}

}  // namespace

extern const Codec k_codec_modelopt_nvfp4_stack;
const Codec k_codec_modelopt_nvfp4_stack = {
    .name = "modelopt-nvfp4-stack",
    .long_name = "ModelOpt NVFP4, a stack of experts",
    .source = "nvidia-modelopt torch/export/unified_export_hf.py@0.47.0, is_bmm_expert_weight",
    .holds = holds,
    .scheme_of = scheme_of,
    .decode = decode,
};

}  // namespace requant
