#pragma once

#include <vector>

#include "engine/evaluate.h"

namespace requant {

// Runs the ordered dispatch of compressed-tensors schemes and the list of kernels for one class of
// weights, and sets the facts "schemes", "schemes[match].min_capability", "moe_schemes", "kernels"
// and "tensors.class" (the engine's layer class, which says what tensors it registers).
void set_dispatch_facts(EngineFacts& facts, const WeightClass& weights, const Situation& situation);

// What dispatch itself cannot tell: conditions that the data do not translate.
std::vector<Judgement> judge_dispatch(const EngineFacts& facts, const Situation& situation);

}  // namespace requant
