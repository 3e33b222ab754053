#pragma once

#include "quant/quantized_weight.h"
#include "quant/tally.h"

namespace requant {

// Two weights of the same codes and the same scales of one byte each, which differ in nothing but
// their one outer scale: NVFP4 whose outer scale multiplies, and NVFP4 whose outer scale divides.
// An element is then one of 65,536 pairs of a scale and a code, and each pair is looked at once.
// REQUIRES for both calls: validate(a), validate(b), the same size.
bool share_cells(const QuantizedWeight& a, const QuantizedWeight& b);

struct SharedCellsDifference {
  Tally tally;
  double largest = 0;  // the largest finite magnitude of `a`, as F32
};

// REQUIRES: share_cells(a, b).
SharedCellsDifference compare_shared_cells(const QuantizedWeight& a, const QuantizedWeight& b);

}  // namespace requant
