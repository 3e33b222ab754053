// NVFP4 of ModelOpt, all experts of a layer in one tensor.
//
//   weight          U8       [experts, inputs / 2, outputs]    E2M1, the even input in the low
//   nibble weight_scale    F8_E4M3  [experts, inputs / 16, outputs] weight_scale_2  F32      []
//   input_scale     F32      []; absent where activations are not quantised

#include "codec/modelopt_stack.h"

namespace requant {

extern const Codec k_codec_modelopt_nvfp4;

using StackCodec = ModeloptStackCodec<k_codec_modelopt_nvfp4>;

extern const Codec k_codec_modelopt_nvfp4_stack;
const Codec k_codec_modelopt_nvfp4_stack = {
    .name = "modelopt-nvfp4-stack",
    .long_name = "ModelOpt NVFP4, a stack of experts",
    .source = "nvidia-modelopt torch/export/unified_export_hf.py@0.47.0, is_bmm_expert_weight",
    .holds = StackCodec::holds,
    .scheme_of = StackCodec::scheme_of,
    .decode = StackCodec::decode,
};

}  // namespace requant
