#pragma once

#include <vector>

#include "dialect/dialect.h"
#include "dialect/modelopt_config.h"

namespace requant {

// Weights that are parameters of a module of experts themselves: of its tensors X, X_weight_scale,
// X_weight_scale_2 and X_input_scale, "MODULE.X". kCorrupt where they do not fit together, or where
// there are scales without a weight.
Result<std::vector<Weight>> modelopt_stacks(const ModuleTensors& module,
                                            const ModeloptConfig& config, const Facts& facts);

// The first tensor of such a weight; nullptr where the module has none.
const TensorInfo* find_modelopt_stack(const ModuleTensors& module);

}  // namespace requant
