#pragma once

#include "dialect/dialect.h"

namespace requant {

// compressed-tensors' quantization_config for these weights, as llmcompressor writes it and
// vLLM 0.7.3 to 0.32 read it (keys that 0.7.3 does not know are left out).
Result<Json> ct_quantization_config(const ConfigRequest& request);

}  // namespace requant
