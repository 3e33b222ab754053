// FP8 of ModelOpt, all experts of a layer in one tensor.
//
//   weight        F8_E4M3  [experts, inputs, outputs]
//   weight_scale  F32      []
//   input_scale   F32      []; only static activations

#include "codec/modelopt_stack.h"

namespace requant {

extern const Codec k_codec_modelopt_w8;

using StackCodec = ModeloptStackCodec<k_codec_modelopt_w8>;

extern const Codec k_codec_modelopt_w8_stack;
const Codec k_codec_modelopt_w8_stack = {
    .name = "modelopt-w8-stack",
    .long_name = "ModelOpt FP8, a stack of experts",
    .source = "nvidia-modelopt torch/export/unified_export_hf.py@0.47.0, is_bmm_expert_weight",
    .holds = StackCodec::holds,
    .scheme_of = StackCodec::scheme_of,
    .decode = StackCodec::decode,
};

}  // namespace requant
