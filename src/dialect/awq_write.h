#pragma once

#include "dialect/dialect.h"

namespace requant {

// AWQ checkpoints are written in the gemm layout, the one that every engine reads.
const Codec* awq_codec_for(const Scheme& scheme);
// What `version` tells apart.
inline constexpr NamedLayout kAwqLayouts[] = {{"gemm", "awq-gemm"},
                                              {"gemv", "awq-gemv"},
                                              {"gemv_fast", "awq-gemv-fast"},
                                              {"marlin", "awq-marlin"}};
Result<Json> awq_quantization_config(const ConfigRequest& request);

}  // namespace requant
