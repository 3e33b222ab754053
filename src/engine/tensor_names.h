#pragma once

#include <vector>

#include "engine/evaluate.h"

namespace requant {

// Holds the tensors that store the weights against those that the engine's layers register: one
// that no layer registers ends the load.
std::vector<Judgement> judge_tensor_names(const Situation& situation);

}  // namespace requant
