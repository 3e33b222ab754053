#include "codec/bit_stream.h"

#include <algorithm>

namespace requant {
namespace {

void unpack_nibbles(std::span<const std::uint8_t> row, std::span<std::uint8_t> codes) {
  const std::size_t pairs = codes.size() / 2;
  for (std::size_t i = 0; i < pairs; ++i) {
    codes[2 * i] = row[i] & 15;
    codes[2 * i + 1] = row[i] >> 4;
  }
  if (codes.size() % 2 == 1) codes[2 * pairs] = row[pairs] & 15;
}

}  // namespace

void unpack_stream(std::span<const std::uint8_t> row, int bits, std::span<std::uint8_t> codes) {
  if (bits == 8) {
    std::copy_n(row.begin(), codes.size(), codes.begin());
    return;
  }
  if (bits == 4) return unpack_nibbles(row, codes);
  const std::uint32_t mask = (1U << bits) - 1;
  std::uint32_t held = 0;
  int have = 0;
  std::size_t next = 0;
  for (std::uint8_t& code : codes) {
    if (have < bits) {
      held |= static_cast<std::uint32_t>(row[next++]) << have;
      have += 8;
    }
    code = static_cast<std::uint8_t>(held & mask);
    held >>= bits;
    have -= bits;
  }
}

void pack_stream(std::span<const std::uint8_t> codes, int bits, std::span<std::uint8_t> row) {
  std::uint32_t held = 0;
  int have = 0;
  std::size_t next = 0;
  for (const std::uint8_t code : codes) {
    held |= static_cast<std::uint32_t>(code) << have;
    have += bits;
    if (have >= 8) {
      row[next++] = static_cast<std::uint8_t>(held & 0xFF);
      held >>= 8;
      have -= 8;
    }
  }
  if (have > 0) row[next++] = static_cast<std::uint8_t>(held);
  std::fill(row.begin() + static_cast<std::ptrdiff_t>(next), row.end(), std::uint8_t{0});
}

void unpack_whole_words(std::span<const std::uint32_t> row, int bits,
                        std::span<std::uint8_t> codes) {
  const std::size_t per_word = 32 / static_cast<std::size_t>(bits);
  const std::uint32_t mask = (1U << bits) - 1;
  for (std::size_t i = 0; i < codes.size(); ++i) {
    const auto shift = static_cast<int>(i % per_word) * bits;
    codes[i] = static_cast<std::uint8_t>((row[i / per_word] >> shift) & mask);
  }
}

}  // namespace requant
