#pragma once

#include <string_view>

#include "base/result.h"
#include "tensor/tensor.h"

namespace requant {

// Codebooks of ggml's IQ types, from data/codebooks/ggml.json: a grid of vectors, each with all its
// signs, or shifted. Made once; every weight shares them. F32 [entries, length].

// Entry 128 p + m is point p with the signs of mask m, whose eighth bit makes their number even,
// over `divisor`.
Result<Tensor> gguf_even_signs(std::string_view grid, float divisor);
// Entry 16 p + m is point p of four numbers with the signs of mask m, over `divisor`. The halves of
// a point of eight are points 2 p and 2 p + 1.
Result<Tensor> gguf_four_signs(std::string_view grid, float divisor);
// Entry p is point p + 1/8, entry 2048 + p is point p - 1/8.
Result<Tensor> gguf_shifted(std::string_view grid);

}  // namespace requant
