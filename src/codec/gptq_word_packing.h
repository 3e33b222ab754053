#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"
#include "tensor/tensor.h"

namespace requant {

// Codes of 1 to 8 bits in 32-bit words, the two ways in which GPTQ writers pack them. Codes are
// unsigned here. A run of codes fills whole words: count x bits is a multiple of 32.

// One little-endian stream, or planes: every 32 codes are `bits` words, of which the first hold the
// low 4 (2) bits of each code, the next the bits above them. The planes of 2, 4 and 8 bits are one,
// and the same words as the stream's.
enum class GptqPacking : std::uint8_t { kStream, kPlanes };

// Whether runs of that many codes can be packed so.
bool gptq_packs(GptqPacking packing, int bits, std::int64_t count);

// REQUIRES for both: gptq_packs(packing, bits, codes.size()).
void gptq_unpack(GptqPacking packing, int bits, std::span<const std::uint32_t> words,
                 std::span<std::uint8_t> codes);
void gptq_pack(GptqPacking packing, int bits, std::span<const std::uint8_t> codes,
               std::span<std::uint32_t> words);

// words [in x bits / 32, out] -> I8 [out, in], codes minus 2^(bits - 1).
Result<Tensor> gptq_unpack_weight(GptqPacking packing, int bits, const Tensor& words);
// And back. kRefused for codes outside the bits.
Result<Tensor> gptq_pack_weight(GptqPacking packing, int bits, const Tensor& codes);

}  // namespace requant
