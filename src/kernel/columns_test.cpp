#include "kernel/columns.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "kernel/testing.h"

namespace requant::kernel {
namespace {

using Bytes = std::vector<std::uint8_t>;

class ColumnsTest : public testing::TestWithParam<const ColumnsKernel*> {
 protected:
  void SetUp() override {
    if (!GetParam()->supports()) GTEST_SKIP() << "not on this machine";
  }
};

struct Layout {
  std::int64_t inputs;
  std::int64_t outputs;
  int bits;
  BitOrder order;
  int flip;
  int bias;
};

Bytes unpack(const ColumnsKernel& kernel, const Bytes& words, const Layout& l) {
  Bytes codes(static_cast<std::size_t>(l.inputs * l.outputs), 99);
  kernel.unpack({words.data(), codes.data(), l.inputs, l.outputs, l.bits, l.order, l.flip, l.bias});
  return codes;
}

Bytes pack(const ColumnsKernel& kernel, const Bytes& codes, const Layout& l, bool& fits) {
  Bytes words(static_cast<std::size_t>(l.inputs * l.outputs * l.bits / 8), 0xA5);
  fits = kernel.pack(
      {codes.data(), words.data(), l.inputs, l.outputs, l.bits, l.order, l.flip, l.bias});
  return words;
}

std::vector<Layout> layouts() {
  constexpr std::int64_t kSizes[][2] = {{32, 1},   {64, 8},   {128, 40}, {96, 9},  {512, 32},
                                        {192, 77}, {544, 64}, {1024, 5}, {8, 300}, {1088, 33}};
  std::vector<Layout> all;
  for (int bits = 1; bits <= 8; ++bits) {
    for (const auto& [inputs, outputs] : kSizes) {
      const int half = 1 << (bits - 1);
      if (inputs * bits % 32 == 0) {
        all.push_back({inputs, outputs, bits, BitOrder::kStream, 0, half});
      }
      if (inputs % 32 == 0) all.push_back({inputs, outputs, bits, BitOrder::kPlanes, half, half});
    }
  }
  return all;
}

// Written out by hand: input 10 lies in bits 30 and 31 of the first word and bit 0 of the second,
// input 21 in bit 31 of the second and bits 0 and 1 of the third.
TEST(Columns, ReadCodesAcrossWords) {
  const Bytes words = {0, 0, 0, 0x80, 1, 0, 0, 0x80, 1, 0, 0, 0};
  const Bytes codes = unpack(*columns_kernels().back(), words, {32, 1, 3, BitOrder::kStream, 0, 0});
  for (std::size_t input = 0; input < 32; ++input) {
    EXPECT_EQ(codes[input], input == 10 ? 6 : input == 21 ? 3 : 0) << input;
  }
}

TEST(Columns, BeginAtTheTopOfEachOutput) {
  const Bytes words = {0x10, 0x32, 0x54, 0x76, 0x98, 0xBA, 0xDC, 0xFE};
  const Bytes codes = unpack(*columns_kernels().back(), words, {8, 2, 4, BitOrder::kStream, 0, 0});
  for (std::size_t i = 0; i < 16; ++i) EXPECT_EQ(codes[i], i);
}

TEST_P(ColumnsTest, AgreesWithTheReferenceBothWays) {
  std::mt19937 random(1);
  for (const Layout& l : layouts()) {
    Bytes words(static_cast<std::size_t>(l.inputs * l.outputs * l.bits / 8));
    for (auto& byte : words) byte = static_cast<std::uint8_t>(random());
    const std::string text = std::to_string(l.inputs) + " x " + std::to_string(l.outputs) + ", " +
                             std::to_string(l.bits) + " bits";
    const Bytes codes = unpack(*GetParam(), words, l);
    ASSERT_EQ(codes, unpack(*columns_kernels().back(), words, l)) << text;
    bool fits = false;
    ASSERT_EQ(pack(*GetParam(), codes, l, fits), words) << text;
    EXPECT_TRUE(fits) << text;
  }
}

TEST_P(ColumnsTest, TellsOfOneCodeThatDoesNotFit) {
  Bytes codes(static_cast<std::size_t>(64 * 40), 0);
  const Layout layout = {64, 40, 4, BitOrder::kStream, 0, 8};
  for (const std::size_t at : {0U, 777U, 2559U}) {
    codes[at] = 8;
    bool fits = true;
    pack(*GetParam(), codes, layout, fits);
    EXPECT_FALSE(fits) << at;
    codes[at] = 7;
    pack(*GetParam(), codes, layout, fits);
    EXPECT_TRUE(fits);
  }
}

// Results of more than a MiB are written past the cache.
TEST_P(ColumnsTest, WritesLargeResultsAsSmallOnes) {
  constexpr std::int64_t kInputs = 2112;
  constexpr std::int64_t kOutputs = 1040;
  using Lines = testing_support::LineBytes;
  for (const int bits : {3, 8}) {
    const std::int64_t size = kInputs * kOutputs * bits / 8;
    Lines words = Lines::random(size);
    Lines codes(kInputs * kOutputs);
    Lines expected(kInputs * kOutputs);
    for (const bool mine : {true, false}) {
      const ColumnsKernel& kernel = mine ? *GetParam() : *columns_kernels().back();
      kernel.unpack({words.data(), (mine ? codes : expected).data(), kInputs, kOutputs, bits});
    }
    ASSERT_TRUE(codes == expected) << bits;
    Lines again(size);
    EXPECT_TRUE(GetParam()->pack({codes.data(), again.data(), kInputs, kOutputs, bits}));
    ASSERT_TRUE(again == words) << bits;
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, ColumnsTest,
                         testing::ValuesIn(testing_support::tested(columns_kernels())),
                         [](const auto& test) { return std::string(test.param->name); });

}  // namespace
}  // namespace requant::kernel
