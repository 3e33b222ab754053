#pragma once

#include "base/result.h"
#include "checkpoint/checkpoint.h"
#include "plan/loss.h"

namespace requant {

// kRefused, naming the first contradiction between config.json and the tensors, unless leave was
// given to believe the tensors.
Result<void> check_contradictions(const Checkpoint& checkpoint, LossSet allowed);

}  // namespace requant
