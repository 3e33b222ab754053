#pragma once

#include <cstdint>
#include <optional>

#include "plan/chain.h"

namespace requant {

// Quantising the values of a weight [rows, cols] anew, to the scheme that the target asks for.
// Where its groups do not divide the columns, smaller ones are taken. Nothing where the target asks
// for no scheme or cannot hold it. `dtype` is that of the weight before it was first quantised.
std::optional<Chain> find_requantisation(const Scheme& source, std::int64_t cols, DType dtype,
                                         const Target& target);

// True where a scale of the inputs has to be given: static activations, and those of nvfp4.
bool needs_input_scale(const Scheme& scheme);

// True where the weights of a fusion group are to have one outer scale: engines load them as one.
bool shares_outer_scale(const Scheme& scheme);

// The values of a weight, which a dense one has in its own dtype and others in F32.
Result<Tensor> values_of(const QuantizedWeight& weight);

// The values of `weight`, which is sound, as the nearest codes of the chain's result.
Result<ChainResult> requantise(const Chain& chain, const QuantizedWeight& weight,
                               const RoundingInputs& inputs);

}  // namespace requant
