#pragma once

#include <vector>

#include "container/container.h"

namespace requant {

// Into the order of natural_less(); tensors of one name stay in theirs.
void sort_by_name(std::vector<TensorInfo>& tensors);

}  // namespace requant
