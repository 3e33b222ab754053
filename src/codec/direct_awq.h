#pragma once

#include "codec/direct.h"

// AutoAWQ's GEMM layout (codec/awq_gemm.cpp) and pack-quantized (codec/ct_packed.h) without
// unpacking: both store code and zero point plus 8, one with eight outputs to a word, the other
// with eight inputs.
namespace requant {

Result<std::optional<WeightParts>> awq_to_ct_pack(const StoredWeight& weight);
Result<std::optional<WeightParts>> ct_pack_to_awq(const StoredWeight& weight);

}  // namespace requant
