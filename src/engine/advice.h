#pragma once

#include <vector>

#include "engine/evaluate.h"

namespace requant {

// What people try by hand on a checkpoint that does not load, and what the engine would make of it:
// moving the block, naming another method, deleting the block or the scales. Each edit is judged by
// the same rules as the checkpoint itself. Empty where nothing quantised stands in the way.
std::vector<Finding> judge_edits(const Situation& situation,
                                 const std::vector<Judgement>& judgements, const Device& device);

}  // namespace requant
