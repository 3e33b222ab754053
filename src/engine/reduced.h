#pragma once

#include <vector>

#include "engine/check.h"

namespace requant {

// One of each kind of weight and of dense matrix, for questions that are asked of many engines: all
// members of a fusion group together, and apart from their like where the config names them.
struct Reduced {
  std::vector<Weight> weights;
  std::vector<DenseTensor> dense;

  Subject subject(const Subject& whole) const;
};
Reduced reduce(const Subject& subject);

}  // namespace requant
