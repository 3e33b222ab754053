#pragma once

#include <string_view>
#include <vector>

#include "codec/codec.h"

// What the layouts of compressed-tensors have in common: scales and zero points on the weight's
// grid, and the static scale of activations.
//
//   input_scale       F32 | BF16 | F16  [1]  static activations
//   input_zero_point  I8                [1]  where these are asymmetric
namespace requant {

// Activations that these layouts can state: none, dynamic, or static per tensor.
bool holds_ct_activations(const Activations& activations);

// As the library spells it: a tensor's one value is [1].
Shape ct_grid_shape(const Grid& grid, std::int64_t rows, std::int64_t cols);

// A companion of the weight's grid, in any spelling of its shape ([] for [1], [out] for [out, 1]).
Result<Tensor> require_on_grid(const WeightParts& parts, std::string_view name, DType dtype,
                               const QuantizedWeight& weight);

// As I8; kRefused where a number does not fit.
Result<Tensor> narrow_to_i8(std::string_view name, const Tensor& tensor, Shape shape);

// Zero points that a symmetric scheme leaves out must all be 0.
Result<void> check_zero_points_absent(const WeightParts& parts);

// What the config declares, with the dtype of the static scale that is stored.
Activations ct_activations(const WeightParts& parts, const Activations& declared);
Result<void> decode_ct_activations(const WeightParts& parts, QuantizedWeight& weight);
void add_ct_activations(const Scheme& scheme, std::vector<PartSpec>& specs);
Result<void> encode_ct_activations(const QuantizedWeight& weight, WeightParts& parts);

}  // namespace requant
