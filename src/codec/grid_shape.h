#pragma once

#include <optional>

#include "quant/scheme.h"
#include "tensor/tensor.h"

namespace requant {

// The grid of a scale of that shape for a weight [rows, cols]: `declared` where it gives just this
// shape, else what the shape alone says:
//   [] or [1] or [1, 1]   tensor
//   [rows] or [rows, 1]   channel
//   [rows, n]             group of cols / n, where n divides cols
//   [m, n]                block of rows / m x cols / n where these divide, else of the only powers
//   of
//                         two that give m and n (128 x 128 for [5, 3] of [576, 384])
// Nothing for any other shape.
std::optional<Grid> grid_of_shape(const Shape& shape, std::int64_t rows, std::int64_t cols,
                                  const Grid& declared);

}  // namespace requant
