#include "kernel/unpack_gptq.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace requant::kernel {
namespace {

class UnpackGptqTest : public testing::TestWithParam<const UnpackGptqKernel*> {};

std::vector<std::int8_t> unpack(const UnpackGptqKernel& kernel,
                                const std::vector<std::uint8_t>& words, std::int64_t inputs,
                                std::int64_t outputs, int bits) {
  std::vector<std::int8_t> codes(static_cast<std::size_t>(inputs * outputs), 99);
  const UnpackGptq problem = {words.data(), codes.data(), inputs, outputs, bits};
  if (!kernel.supports(problem)) return {};
  kernel.run(problem);
  return codes;
}

// Written out by hand: input 10 lies in bits 30 and 31 of the first word and bit 0 of the second,
// input 21 in bit 31 of the second and bits 0 and 1 of the third.
TEST(UnpackGptq, ReadsCodesAcrossWords) {
  const std::vector<std::uint8_t> words = {0, 0, 0, 0x80, 1, 0, 0, 0x80, 1, 0, 0, 0};
  const auto codes = unpack(*unpack_gptq_kernels().back(), words, 32, 1, 3);
  for (std::size_t input = 0; input < 32; ++input) {
    EXPECT_EQ(codes[input] + 4, input == 10 ? 6 : input == 21 ? 3 : 0) << input;
  }
}

TEST(UnpackGptq, ReadsNibblesFromTheLowEnd) {
  const std::vector<std::uint8_t> words = {0x10, 0x32, 0x54, 0x76};
  const auto codes = unpack(*unpack_gptq_kernels().back(), words, 8, 1, 4);
  for (int input = 0; input < 8; ++input) {
    EXPECT_EQ(codes[static_cast<std::size_t>(input)], input - 8);
  }
}

TEST_P(UnpackGptqTest, AgreesWithTheReference) {
  std::mt19937 random(1);
  constexpr std::int64_t kSizes[][2] = {{64, 8},   {64, 32},  {128, 40},  {72, 24}, {96, 9},
                                        {192, 77}, {32, 128}, {1024, 16}, {8, 300}};
  for (const int bits : {2, 3, 4, 8}) {
    for (const auto& [inputs, outputs] : kSizes) {
      if (inputs * bits % 32 != 0) continue;
      std::vector<std::uint8_t> words(static_cast<std::size_t>(inputs * outputs * bits / 8));
      for (auto& word : words) word = static_cast<std::uint8_t>(random());
      const auto codes = unpack(*GetParam(), words, inputs, outputs, bits);
      if (codes.empty()) continue;  // not for it, or not on this machine
      EXPECT_EQ(codes, unpack(*unpack_gptq_kernels().back(), words, inputs, outputs, bits))
          << inputs << " x " << outputs << ", " << bits << " bits";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, UnpackGptqTest,
                         testing::ValuesIn(unpack_gptq_kernels().begin(),
                                           unpack_gptq_kernels().end()),
                         [](const auto& test) { return std::string(test.param->name); });

}  // namespace
}  // namespace requant::kernel
