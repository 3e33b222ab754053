#pragma once

#include "dialect/dialect.h"

namespace requant {

// As auto-round exports by itself: symmetric weights in GPTQ's v1, 4-bit ones with zero points in
// AWQ's gemm, others with zero points in GPTQ's v2.
const Codec* auto_round_codec_for(const Scheme& scheme);

// kRefused where the weights need several packing formats.
Result<Json> auto_round_quantization_config(const ConfigRequest& request);

}  // namespace requant
