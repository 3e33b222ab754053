#pragma once

#include <cstdint>

#include "base/result.h"
#include "tensor/tensor.h"

namespace requant {

// Codes of 1 to 8 bits in rows of bytes, least significant bits first, without a gap: two codes of
// 4 bits a byte (low nibble first), four of 6 bits in three bytes.
// REQUIRES: cols x bits is a multiple of 8 and `packed` has rows x cols x bits / 8 bytes.
Result<Tensor> unpack_codes(const Tensor& packed, std::int64_t rows, std::int64_t cols, int bits);

// U8 codes [rows, cols] -> U8 [rows, cols x bits / 8]. Bits above `bits` are dropped.
Result<Tensor> pack_codes(const Tensor& codes, int bits);

}  // namespace requant
