#pragma once

#include "codec/codec.h"
#include "codec/parts.h"

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

// The functions of the codec of stacks whose matrices are those of `kMatrix`.
template <const Codec& kMatrix>
struct ModeloptStackCodec {
  static bool holds(const Scheme& scheme) { return kMatrix.holds(scheme); }
  static std::optional<Scheme> scheme_of(const WeightParts& parts, const Scheme& declared) {
    const auto matrix = matrix_of_stack(parts);
    return matrix && *matrix ? kMatrix.scheme_of(**matrix, declared) : std::nullopt;
  }
  static Result<QuantizedWeight> decode(const WeightParts& parts, const Scheme& scheme) {
    RQ_TRY(const auto matrix, matrix_of_stack(parts));
    if (!matrix) {
      RQ_TRY(const Tensor weight, require_part(parts, "weight"));
      return unexpected("weight", weight, "[experts, inputs, outputs]");
    }
    return kMatrix.decode(*matrix, scheme);
  }
};

}  // namespace requant
