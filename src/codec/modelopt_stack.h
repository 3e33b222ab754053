#pragma once

#include "codec/codec.h"

namespace requant {

// The experts of a layer as ModelOpt stores those that are multiplied as one (Llama 4): the
// matrices one after the other, each transposed, and what belongs to the whole beside them.
//
//   weight        [experts, inputs, outputs]
//   weight_scale  [experts, inputs / group, outputs]   or one number for all
//
// The same as one matrix, as ModelOpt stores those of Linear modules: [experts x outputs, inputs].
// One matrix of a stack, without the first dimension, likewise. Tensors without bytes stay so.
// Nothing where the shapes are not those of a stack.
Result<std::optional<WeightParts>> matrix_of_stack(const WeightParts& parts);

}  // namespace requant
