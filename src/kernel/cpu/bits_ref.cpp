#include <algorithm>

#include "kernel/bits.h"

namespace requant::kernel {
namespace {

bool bit_at(const std::uint8_t* bytes, std::int64_t bit) {
  return (bytes[bit / 8] >> (bit % 8) & 1) != 0;
}

// Where bit `bit` of code `code` of a row lies, counted in bits.
std::int64_t place_of(std::int64_t code, int bit, int bits, BitOrder order) {
  switch (order) {
    case BitOrder::kStream:
      return code * bits + bit;
    case BitOrder::kHighNibble:
      return (code ^ 1) * 4 + bit;
    case BitOrder::kWholeWords:
      return code / (32 / bits) * 32 + code % (32 / bits) * bits + bit;
    case BitOrder::kPlanes:
      break;
  }
  std::int64_t place = code / 32 * 32 * bits;
  int below = 0;  // bits in the planes before
  for (const int width : kPlaneWidths[bits]) {
    if (bit < below + width) return place + code % 32 * width + bit - below;
    place += 32 * width;
    below += width;
  }
  return place;
}

void unpack(const UnpackBits& p) {
  for (std::int64_t row = 0; row < p.rows; ++row) {
    const std::uint8_t* from = p.packed + row * p.row_bytes;
    for (std::int64_t col = 0; col < p.cols; ++col) {
      int field = 0;
      for (int bit = 0; bit < p.bits; ++bit) {
        if (bit_at(from, place_of(col, bit, p.bits, p.order))) field |= 1 << bit;
      }
      p.codes[row * p.cols + col] = static_cast<std::uint8_t>((field ^ p.flip) - p.bias);
    }
  }
}

bool pack(const PackBits& p) {
  int dropped = 0;
  for (std::int64_t row = 0; row < p.rows; ++row) {
    std::uint8_t* to = p.packed + row * p.row_bytes;
    std::fill_n(to, p.row_bytes, std::uint8_t{0});
    for (std::int64_t col = 0; col < p.cols; ++col) {
      const int field = ((p.codes[row * p.cols + col] + p.bias) & 0xFF) ^ p.flip;
      dropped |= field >> p.bits;
      for (int bit = 0; bit < p.bits; ++bit) {
        const std::int64_t place = place_of(col, bit, p.bits, p.order);
        to[place / 8] = static_cast<std::uint8_t>(to[place / 8] | (field >> bit & 1) << place % 8);
      }
    }
  }
  return dropped == 0;
}

}  // namespace

extern const BitsKernel k_bits_ref;
const BitsKernel k_bits_ref = {"ref", [] { return true; }, unpack, pack};

}  // namespace requant::kernel
