#pragma once

#include <cstdint>

#include "quant/quantized_weight.h"

namespace requant {

// What the steps of transform.h share.

// `value` rounded to F32, F16 or BF16.
void store_scale(TensorBuilder& out, DType dtype, std::int64_t index, float value);

// Every scale x 2^exponent, of its own dtype; kRefused where one does not take it exactly.
Result<Tensor> scales_times_power(const Tensor& scales, int exponent);

}  // namespace requant
