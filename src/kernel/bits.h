#pragma once

#include <cstdint>
#include <span>

namespace requant::kernel {

// How the codes of a row lie in its bytes.
enum class BitOrder : std::uint8_t {
  kStream,      // one after the other, the lowest bits of the first byte first
  kHighNibble,  // 4 bits: the first code of a byte in its high half
  kWholeWords,  // 32 / bits codes to a little-endian word, the bits above them 0
  kPlanes,      // every 32 codes are `bits` words: their low 4 (2) bits as a stream, then the bits
                // above those (GPTQModel's planes of 4, 2 and 1 bits)
};

// Bytes of `count` codes, in the last of which bits may be left over.
// REQUIRES: for kPlanes, count a multiple of 32. Inlined wherever it is called, as ISA files use
// it.
[[gnu::always_inline]] constexpr std::int64_t packed_bytes(std::int64_t count, int bits,
                                                           BitOrder order) {
  const std::int64_t in_word = 32 / bits;
  return order == BitOrder::kWholeWords ? (count + in_word - 1) / in_word * 4
                                        : (count * bits + 7) / 8;
}

// Widths of the planes of a code, the low bits first (ModelCloud/GPTQModel
// gptqmodel/utils/planar_packing.py@f4c327a1); 0 ends a row.
constexpr int kPlaneWidths[9][3] = {{0, 0, 0}, {1, 0, 0}, {2, 0, 0}, {2, 1, 0}, {4, 0, 0},
                                    {4, 1, 0}, {4, 2, 0}, {4, 2, 1}, {8, 0, 0}};

// Rows of packed codes -> a byte a code: (field ^ flip) - bias, modulo 256. A bias of 2^(bits - 1)
// gives the sign to fields that were stored with that offset, a flip and a bias of that much to
// fields in two's complement.
// REQUIRES: 1 <= bits <= 8, and row_bytes >= packed_bytes(cols, bits, order). For kHighNibble: 4
// bits. For kPlanes: cols a multiple of 32.
struct UnpackBits {
  const std::uint8_t* packed;  // rows at row_bytes of each other, of any alignment
  std::int64_t row_bytes;
  std::uint8_t* codes;  // [rows, cols]
  std::int64_t rows;
  std::int64_t cols;
  int bits;
  BitOrder order = BitOrder::kStream;
  int flip = 0;
  int bias = 0;
};

// And back: field = (code + bias) ^ flip. Of a field that needs more, the bits above `bits` are
// dropped. What a row does not need of its bytes becomes 0. Not for kWholeWords, which nothing
// writes any more.
struct PackBits {
  const std::uint8_t* codes;  // [rows, cols]
  std::int64_t rows;
  std::int64_t cols;
  std::uint8_t* packed;
  std::int64_t row_bytes;
  int bits;
  BitOrder order = BitOrder::kStream;
  int flip = 0;
  int bias = 0;
};

// One implementation; see ScanFp8Kernel.
struct BitsKernel {
  const char* name;
  bool (*supports)();  // this machine
  void (*unpack)(const UnpackBits&);
  bool (*pack)(const PackBits&);  // true where no bits were dropped
};

// Best first; the last is "ref", which runs everywhere.
std::span<const BitsKernel* const> bits_kernels();

// Run the first kernel that this machine supports.
void unpack_bits(const UnpackBits& problem);
[[nodiscard]] bool pack_bits(const PackBits& problem);

}  // namespace requant::kernel
