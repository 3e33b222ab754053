#pragma once

#include "codec/codec.h"

// The bitmask layouts of compressed-tensors up to 0.12: the kept values of a matrix row by row, and
// one bit an element, lowest first, that says which are kept. The values are those of a plain
// `weight`, quantised (with its companions, ct-quantized) or not (dense).
namespace requant {

// The scheme of a `weight` of that dtype and shape beside the other parts.
std::optional<Scheme> scheme_of_expanded(const WeightParts& parts, DType dtype, Shape shape,
                                         const Scheme& declared);

// The matrix [rows, cols], zeros where nothing is kept. kCorrupt where the mask has more or fewer
// bits than there are values, or bits beyond the columns.
Result<Tensor> expand_bitmask(const Tensor& values, const Tensor& mask, std::int64_t rows,
                              std::int64_t cols);

// The other parts and `weight`, through the codec that knows them.
Result<QuantizedWeight> decode_expanded(const WeightParts& parts, Tensor weight,
                                        const Scheme& scheme);

// The two numbers of a shape tensor, I64 [2] or [2, 1]. kCorrupt for others.
Result<Shape> expanded_shape(const WeightParts& parts, std::string_view name);

}  // namespace requant
