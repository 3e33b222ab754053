#pragma once

#include <cstdint>

#include "checkpoint/checkpoint.h"
#include "codec/assemble.h"

namespace requant {

// One matrix as a checkpoint stores it: a weight, or one of those in a stack of experts. A vector
// is a matrix of one column.
struct StoredMatrix {
  const Weight* weight = nullptr;
  std::int64_t index = -1;  // in the stack; -1: the weight is no stack
  bool transposed = false;  // unquantised and stored as [inputs, outputs]
};

WeightForm form_of(const StoredMatrix& matrix);

// What storing it takes.
std::uint64_t stored_bytes(const StoredMatrix& matrix);

// Reads and decodes this one matrix alone. Messages name file and weight.
Result<QuantizedWeight> read_matrix(const Checkpoint& checkpoint, const StoredMatrix& matrix);

// An unquantised tensor as a weight: a matrix or a vector, or a stack of them along its first
// dimension. kCorrupt for any other shape and for what is no F32, F16 or BF16.
Result<Weight> dense_weight_of(const DenseTensor& tensor, bool is_stack, bool transposed);

}  // namespace requant
