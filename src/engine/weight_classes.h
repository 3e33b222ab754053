#pragma once

#include "engine/situation.h"

namespace requant {

// Fills situation.classes and .uncovered and the facts fused.*. Takes one pass over the weights,
// whatever their number.
void classify_weights(Situation& situation);

}  // namespace requant
