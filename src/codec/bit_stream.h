#pragma once

#include <cstdint>
#include <span>

// Codes of 1 to 8 bits that lie one after the other in little-endian memory, the lowest bits first:
// code i of a row is bits i x bits to i x bits + bits - 1. A row is whole bytes or whole 32-bit
// words; what is left over at its end is 0.
namespace requant {

// REQUIRES: `row` has at least ceil(count x bits / 8) bytes.
void unpack_stream(std::span<const std::uint8_t> row, int bits, std::span<std::uint8_t> codes);
// REQUIRES: the same; codes are less than 2^bits. Writes all of `row`.
void pack_stream(std::span<const std::uint8_t> codes, int bits, std::span<std::uint8_t> row);

// The older way of packing words: 32 / bits codes to each, the bits above them 0.
void unpack_whole_words(std::span<const std::uint32_t> row, int bits,
                        std::span<std::uint8_t> codes);

}  // namespace requant
