#pragma once

#include "quant/quantized_weight.h"

namespace requant::kernel {

// The weight as F32, BF16 or F16 [rows, cols], each element's exact value rounded once to that type
// (to nearest, ties to even; overflow gives infinity). In F32 it equals dequantize() bit for bit,
// NaNs aside.
// Fast for int8, e4m3fn and e5m2 codes with plain scales; the rest goes through RowReader.
Result<Tensor> dense_tensor(const QuantizedWeight& weight, DType dtype);

// A tensor of F32, F16 or BF16 [rows, cols] as a weight that is not quantised (Scheme::dense):
// `tensor` becomes the scales. Lets compare() hold a dense checkpoint against a quantised one.
Result<QuantizedWeight> dense_weight(const Tensor& tensor);

}  // namespace requant::kernel
