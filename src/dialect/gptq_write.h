#pragma once

#include <map>
#include <string>

#include "dialect/dialect.h"

namespace requant {

// The codec in which GPTQ checkpoints are written: v1 for symmetric weights, which every reader
// knows, v2 for zero points, which v1 cannot hold for all readers alike, planes for 5 to 7 bits.
const Codec* gptq_codec_for(const Scheme& scheme);
// What checkpoint_format tells apart.
inline constexpr NamedLayout kGptqLayouts[] = {
    {"v1", "gptq"}, {"v2", "gptq-v2"}, {"planes", "gptq-p"}};

// config.json's quantization_config: what most weights have at the top, `dynamic` rules for the
// others. kRefused where the weights need several checkpoint formats.
Result<Json> gptq_quantization_config(const ConfigRequest& request);

// quantize_config.json: the same block, where AutoGPTQ and GPTQModel look for it.
Result<std::map<std::string, Json>> gptq_side_files(const ConfigRequest& request);

}  // namespace requant
