#include <algorithm>

#include "kernel/awq.h"

namespace requant::kernel {
namespace {

// Calls visit(input, output, byte of the words, shift of the nibble in it).
template <class Visit>
void for_each_nibble(std::int64_t inputs, std::int64_t outputs, const AwqOrder& order,
                     Visit visit) {
  for (std::int64_t input = 0; input < inputs; ++input) {
    for (std::int64_t nibble = 0; nibble < outputs; ++nibble) {
      const std::int64_t output = nibble / 8 * 8 + order[nibble % 8];
      visit(input, output, input * (outputs / 2) + nibble / 2, 4 * static_cast<int>(nibble % 2));
    }
  }
}

void put_nibble(std::uint8_t& byte, int nibble, std::int64_t shift) {
  byte = static_cast<std::uint8_t>(byte | nibble << shift);
}

void unpack(const UnpackAwq& p) {
  for_each_nibble(p.inputs, p.outputs, p.order, [&](auto input, auto output, auto byte, int shift) {
    const int nibble = p.words[byte] >> shift & 0xF;
    p.codes[output * p.inputs + input] = static_cast<std::uint8_t>((nibble ^ p.flip) - 8);
  });
}

bool pack(const PackAwq& p) {
  int dropped = 0;
  std::fill_n(p.words, p.inputs * p.outputs / 2, std::uint8_t{0});
  for_each_nibble(p.inputs, p.outputs, p.order, [&](auto input, auto output, auto byte, int shift) {
    const int field = (p.codes[output * p.inputs + input] + 8) & 0xFF;
    dropped |= field >> 4;
    put_nibble(p.words[byte], field & 0xF, shift);
  });
  return dropped == 0;
}

void to_rows(const AwqToRows& p) {
  std::fill_n(p.rows, p.inputs * p.outputs / 2, std::uint8_t{0});
  for_each_nibble(p.inputs, p.outputs, p.order, [&](auto input, auto output, auto byte, int shift) {
    put_nibble(p.rows[output * (p.inputs / 2) + input / 2], p.words[byte] >> shift & 0xF,
               4 * (input % 2));
  });
}

void from_rows(const RowsToAwq& p) {
  std::fill_n(p.words, p.inputs * p.outputs / 2, std::uint8_t{0});
  for_each_nibble(p.inputs, p.outputs, p.order, [&](auto input, auto output, auto byte, int shift) {
    const std::uint8_t pair = p.rows[output * (p.inputs / 2) + input / 2];
    put_nibble(p.words[byte], pair >> (4 * (input % 2)) & 0xF, shift);
  });
}

}  // namespace

extern const AwqKernel k_awq_ref;
const AwqKernel k_awq_ref = {"ref", [] { return true; }, unpack, pack, to_rows, from_rows};

}  // namespace requant::kernel
