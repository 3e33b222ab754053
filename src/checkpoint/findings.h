#pragma once

#include <vector>

#include "checkpoint/state.h"

namespace requant {

// What config.json and the other files say that the tensors or each other deny.
void find_config_contradictions(const Checkpoint::State& state, std::vector<Finding>& findings);

// What is odd about the tensors, given the weights resolved from them.
void find_tensor_contradictions(const Checkpoint::State& state, std::vector<Finding>& findings);

// What the architecture misses: tensors that are absent or have another shape. Quantised weights
// count with the shape that they decode to.
void find_missing_tensors(const Checkpoint::State& state, std::vector<Finding>& findings);

}  // namespace requant
