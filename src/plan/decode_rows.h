#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "quant/quantized_weight.h"

namespace requant {

// Receives the bytes of consecutive rows.
using TakeRows = std::function<Result<void>(std::uint64_t begin, std::span<const std::byte> bytes)>;

// The weight's exact values, each rounded once to F32, F16 or BF16, row after row: a few rows at a
// time where each has scales of its own, else all at once. kRefused where F16 cannot hold a value.
// REQUIRES: validate(weight).
Result<void> decode_rows(const QuantizedWeight& weight, DType dtype, const TakeRows& take);

}  // namespace requant
