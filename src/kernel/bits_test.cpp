#include "kernel/bits.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "kernel/testing.h"

namespace requant::kernel {
namespace {

using Codes = std::vector<std::uint8_t>;

class BitsTest : public testing::TestWithParam<const BitsKernel*> {
 protected:
  void SetUp() override {
    if (!GetParam()->supports()) GTEST_SKIP() << "not on this machine";
  }
};

struct Layout {
  BitOrder order;
  std::int64_t rows;
  std::int64_t cols;
  int bits;
  std::int64_t spare_bytes;  // of a row
  int flip;
  int bias;

  std::int64_t row_bytes() const { return packed_bytes(cols, bits, order) + spare_bytes; }
  std::string text() const {
    return "order " + std::to_string(static_cast<int>(order)) + ", " + std::to_string(bits) +
           " bits, " + std::to_string(rows) + " x " + std::to_string(cols);
  }
};

Codes unpack(const BitsKernel& kernel, const Codes& packed, const Layout& l) {
  Codes codes(static_cast<std::size_t>(l.rows * l.cols), 99);
  kernel.unpack({packed.data(), l.row_bytes(), codes.data(), l.rows, l.cols, l.bits, l.order,
                 l.flip, l.bias});
  return codes;
}

Codes pack(const BitsKernel& kernel, const Codes& codes, const Layout& l, bool& fits) {
  Codes packed(static_cast<std::size_t>(l.rows * l.row_bytes()), 0xA5);
  fits = kernel.pack({codes.data(), l.rows, l.cols, packed.data(), l.row_bytes(), l.bits, l.order,
                      l.flip, l.bias});
  return packed;
}

// Every order, width and kind of sign; rows with and without bits and bytes to spare, shorter and
// longer than what a kernel takes at once.
std::vector<Layout> layouts() {
  std::vector<Layout> all;
  for (int bits = 1; bits <= 8; ++bits) {
    const int half = 1 << (bits - 1);
    for (const auto order : {BitOrder::kStream, BitOrder::kWholeWords, BitOrder::kPlanes}) {
      for (const std::int64_t cols : {1, 7, 8, 16, 31, 32, 33, 64, 96, 100, 320, 352, 1000}) {
        if (order == BitOrder::kPlanes && cols % 32 != 0) continue;
        all.push_back({order, 1, cols, bits, 0, 0, half});
        all.push_back({order, 3, cols, bits, 0, half, half});
        all.push_back({order, 3, cols, bits, 3, 0, 0});
      }
    }
  }
  for (const std::int64_t cols : {1, 2, 31, 64, 129, 1000}) {
    all.push_back({BitOrder::kHighNibble, 2, cols, 4, 0, 0, 0});
    all.push_back({BitOrder::kHighNibble, 2, cols, 4, 5, 8, 8});
  }
  return all;
}

Codes random_bytes(std::size_t count, std::mt19937& random) {
  Codes bytes(count);
  for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
  return bytes;
}

// Written out by hand: three-bit codes 1 to 8 modulo 8, of which the third and the sixth cross a
// byte.
TEST(Bits, ReadsAStreamFromTheLowEnd) {
  const Layout three = {BitOrder::kStream, 1, 8, 3, 0, 0, 0};
  EXPECT_EQ(unpack(*bits_kernels().back(), {0xD1, 0x58, 0x1F}, three),
            (Codes{1, 2, 3, 4, 5, 6, 7, 0}));
}

TEST(Bits, ReadsTheHighNibbleFirst) {
  const Layout layout = {BitOrder::kHighNibble, 1, 4, 4, 0, 0, 0};
  EXPECT_EQ(unpack(*bits_kernels().back(), {0x12, 0x34}, layout), (Codes{1, 2, 3, 4}));
}

// Ten codes fill 30 of 32 bits.
TEST(Bits, LeavesBitsOfWholeWords) {
  const Layout layout = {BitOrder::kWholeWords, 1, 12, 3, 0, 0, 0};
  const Codes packed = {0x07, 0, 0, 0xC0, 0x15, 0, 0, 0};
  EXPECT_EQ(unpack(*bits_kernels().back(), packed, layout),
            (Codes{7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 2}));
}

// The low two bits of 32 codes fill two words, the third bits one.
TEST(Bits, JoinsPlanes) {
  const Layout layout = {BitOrder::kPlanes, 1, 32, 3, 0, 0, 4};
  Codes packed(12);
  packed[0] = 0x39;  // 1, 2, 3, 0
  packed[8] = 0x05;  // codes 0 and 2
  const Codes codes = unpack(*bits_kernels().back(), packed, layout);
  EXPECT_EQ((Codes(codes.begin(), codes.begin() + 5)), (Codes{1, 0xFE, 3, 0xFC, 0xFC}));
}

TEST_P(BitsTest, UnpacksAsTheReferenceDoes) {
  std::mt19937 random(1);
  for (const Layout& layout : layouts()) {
    const Codes packed =
        random_bytes(static_cast<std::size_t>(layout.rows * layout.row_bytes()), random);
    ASSERT_EQ(unpack(*GetParam(), packed, layout), unpack(*bits_kernels().back(), packed, layout))
        << layout.text();
  }
}

TEST_P(BitsTest, PacksAsTheReferenceDoes) {
  std::mt19937 random(2);
  for (const Layout& layout : layouts()) {
    if (layout.order == BitOrder::kWholeWords) continue;
    Codes codes = random_bytes(static_cast<std::size_t>(layout.rows * layout.cols), random);
    for (const bool fit : {false, true}) {
      if (fit) {
        for (auto& code : codes) {
          const int field = code & ((1 << layout.bits) - 1);
          code = static_cast<std::uint8_t>((field ^ layout.flip) - layout.bias);
        }
      }
      bool fits = false;
      bool expected = false;
      ASSERT_EQ(pack(*GetParam(), codes, layout, fits),
                pack(*bits_kernels().back(), codes, layout, expected))
          << layout.text();
      ASSERT_EQ(fits, expected) << layout.text();
      if (!fit) continue;
      ASSERT_TRUE(fits) << layout.text();
      ASSERT_EQ(unpack(*GetParam(), pack(*GetParam(), codes, layout, fits), layout), codes);
    }
  }
}

TEST_P(BitsTest, TellsOfOneCodeThatDoesNotFit) {
  for (const int bits : {2, 3, 4, 7}) {
    for (const std::size_t at : {0U, 31U, 63U, 99U}) {
      const Layout layout = {BitOrder::kStream, 1, 100, bits, 0, 0, 1 << (bits - 1)};
      Codes codes(100, 0);
      bool fits = false;
      pack(*GetParam(), codes, layout, fits);
      EXPECT_TRUE(fits);
      codes[at] = static_cast<std::uint8_t>(1 << (bits - 1));
      pack(*GetParam(), codes, layout, fits);
      EXPECT_FALSE(fits) << bits << " bits, code " << at;
    }
  }
}

// Results of more than a MiB are written past the cache.
TEST_P(BitsTest, WritesLargeResultsAsSmallOnes) {
  constexpr std::int64_t kRows = 300;
  constexpr std::int64_t kCols = 4160;
  using Lines = testing_support::LineBytes;
  for (const int bits : {4, 7, 8}) {
    const std::int64_t row_bytes = (packed_bytes(kCols, bits, BitOrder::kStream) + 127) / 64 * 64;
    Lines codes = Lines::random(kRows * kCols);
    Lines packed(kRows * row_bytes);
    Lines expected(kRows * row_bytes);
    const auto pack = [&](const BitsKernel& kernel, Lines& to) {
      (void)kernel.pack({codes.data(), kRows, kCols, to.data(), row_bytes, bits});
    };
    pack(*GetParam(), packed);
    pack(*bits_kernels().back(), expected);
    ASSERT_TRUE(packed == expected) << bits;
    Lines again(kRows * kCols);
    const auto unpack = [&](const BitsKernel& kernel, Lines& to) {
      kernel.unpack({packed.data(), row_bytes, to.data(), kRows, kCols, bits});
    };
    unpack(*GetParam(), again);
    unpack(*bits_kernels().back(), codes);
    ASSERT_TRUE(again == codes) << bits;
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, BitsTest,
                         testing::ValuesIn(testing_support::tested(bits_kernels())),
                         [](const auto& test) { return std::string(test.param->name); });

}  // namespace
}  // namespace requant::kernel
