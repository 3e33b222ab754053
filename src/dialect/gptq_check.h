#pragma once

#include "dialect/gptq_config.h"

namespace requant {

// Where a GPTQ config and the weights that were found contradict each other: bits and groups,
// excluded modules, Linears that no rule excludes, the head.
Result<void> check_gptq_config(const Facts& facts, const GptqConfig& config,
                               Resolution& resolution);

}  // namespace requant
