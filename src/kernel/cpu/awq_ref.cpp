#include <algorithm>
#include <vector>

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

// Writes the bytes, or only tells whether others are there.
void deliver(const std::vector<std::uint8_t>& bytes, std::uint8_t* to, bool* differs) {
  if (differs == nullptr) {
    std::ranges::copy(bytes, to);
  } else if (!std::equal(bytes.begin(), bytes.end(), to)) {
    *differs = true;
  }
}

std::vector<std::uint8_t> no_nibbles(std::int64_t inputs, std::int64_t outputs) {
  return std::vector<std::uint8_t>(static_cast<std::size_t>(inputs * outputs / 2));
}

void to_rows(const AwqToRows& p) {
  auto rows = no_nibbles(p.inputs, p.outputs);
  for_each_nibble(p.inputs, p.outputs, p.order, [&](auto input, auto output, auto byte, int shift) {
    const std::int64_t at = output * (p.inputs / 2) + input / 2;
    put_nibble(rows[static_cast<std::size_t>(at)], p.words[byte] >> shift & 0xF, 4 * (input % 2));
  });
  deliver(rows, p.rows, p.differs);
}

void from_rows(const RowsToAwq& p) {
  auto words = no_nibbles(p.inputs, p.outputs);
  for_each_nibble(p.inputs, p.outputs, p.order, [&](auto input, auto output, auto byte, int shift) {
    const std::uint8_t pair = p.rows[output * (p.inputs / 2) + input / 2];
    put_nibble(words[static_cast<std::size_t>(byte)], pair >> (4 * (input % 2)) & 0xF, shift);
  });
  deliver(words, p.words, p.differs);
}

}  // namespace

extern const AwqKernel k_awq_ref;
const AwqKernel k_awq_ref = {"ref", [] { return true; }, unpack, pack, to_rows, from_rows};

}  // namespace requant::kernel
