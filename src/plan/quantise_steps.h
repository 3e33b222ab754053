#pragma once

#include "container/container.h"
#include "plan/input_scales.h"
#include "plan/plan.h"

namespace requant {

// Gives each step that quantises anew what it needs besides its own weight: the scale of its
// inputs, and the weights with which it shares an outer scale. `scales` may be nullptr. kRefused,
// naming modules, where a scale is needed and not there; kUsage for scales that nobody needs.
Result<void> complete_quantise_steps(Plan& plan, const InputScales* scales);

// The largest magnitude of a tensor of F32, BF16 or F16, read in pieces.
Result<float> largest_magnitude(const Source& source, const TensorInfo& tensor);

}  // namespace requant
