#pragma once

#include <map>

#include "plan/plan.h"

namespace requant {

// For the weights of a plan that engines load as one matrix: what each has to take over so that the
// matrix has one scale where the result has one scale for a tensor, one outer scale, and one static
// scale of its inputs. The largest counts, so that nothing overflows. Weights that have it already
// are not in the map. Reads scales, not codes. By index into Plan::weights.
Result<std::map<std::size_t, Harmony>> find_harmony(const Checkpoint& checkpoint, const Plan& plan);

// What taking it over loses.
LossSet losses_of(const Harmony& harmony);

}  // namespace requant
