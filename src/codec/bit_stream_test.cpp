#include "codec/bit_stream.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace requant {
namespace {

using Codes = std::vector<std::uint8_t>;

TEST(BitStream, PutsTheFirstCodeLowest) {
  Codes row(3);
  pack_stream(Codes{1, 2, 3, 4, 5, 6, 7, 0}, 3, row);
  // 0b000'111'110'101'100'011'010'001
  EXPECT_EQ(row, (Codes{0xD1, 0x58, 0x1F}));
  Codes nibbles(2);
  pack_stream(Codes{1, 2, 15}, 4, nibbles);
  EXPECT_EQ(nibbles, (Codes{0x21, 0x0F}));
}

TEST(BitStream, GivesBackEveryCodeOfEveryWidth) {
  std::mt19937 random(1);
  for (int bits = 1; bits <= 8; ++bits) {
    for (std::size_t count = 1; count < 40; ++count) {
      Codes codes(count);
      for (auto& code : codes) code = static_cast<std::uint8_t>(random() % (1U << bits));
      const std::size_t size = (count * static_cast<std::size_t>(bits) + 7) / 8;
      Codes row(size);
      pack_stream(codes, bits, row);
      Codes again(count);
      unpack_stream(row, bits, again);
      EXPECT_EQ(again, codes) << bits << " bits";
    }
  }
}

TEST(BitStream, FillsTheRestOfARowWithZeros) {
  Codes row(8, 0xFF);
  pack_stream(Codes{7}, 3, row);
  EXPECT_EQ(row, (Codes{7, 0, 0, 0, 0, 0, 0, 0}));
}

TEST(BitStream, KnowsWordsOfWholeCodes) {
  // Ten codes of three bits to a word.
  const std::vector<std::uint32_t> words = {07654321012U, 05U};
  Codes codes(11);
  unpack_whole_words(words, 3, codes);
  EXPECT_EQ(codes, (Codes{2, 1, 0, 1, 2, 3, 4, 5, 6, 7, 5}));
}

}  // namespace
}  // namespace requant
