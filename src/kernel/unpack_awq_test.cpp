#include "kernel/unpack_awq.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace requant::kernel {
namespace {

class UnpackAwqTest : public testing::TestWithParam<const UnpackAwqKernel*> {};

std::vector<std::int8_t> unpack(const UnpackAwqKernel& kernel,
                                const std::vector<std::uint8_t>& words, std::int64_t inputs,
                                std::int64_t outputs) {
  std::vector<std::int8_t> codes(static_cast<std::size_t>(inputs * outputs), 99);
  const UnpackAwq problem = {words.data(), codes.data(), inputs, outputs};
  if (!kernel.supports(problem)) return {};
  kernel.run(problem);
  return codes;
}

// Written out by hand: outputs 0 to 7 of the one input are the codes 0 to 7.
TEST(UnpackAwq, ReadsTheInterleavedNibbles) {
  const std::vector<std::uint8_t> word = {0x20, 0x64, 0x31, 0x75};
  const auto codes = unpack(*unpack_awq_kernels().back(), word, 1, 8);
  for (int output = 0; output < 8; ++output) {
    EXPECT_EQ(codes[static_cast<std::size_t>(output)], output - 8);
  }
}

TEST_P(UnpackAwqTest, AgreesWithTheReference) {
  std::mt19937 random(1);
  constexpr std::int64_t kSizes[][2] = {{64, 32}, {65, 40},   {64, 128}, {95, 8},
                                        {7, 64},  {128, 200}, {191, 296}};
  for (const auto& [inputs, outputs] : kSizes) {
    std::vector<std::uint8_t> words(static_cast<std::size_t>(inputs * outputs / 2));
    for (auto& word : words) word = static_cast<std::uint8_t>(random());
    const auto codes = unpack(*GetParam(), words, inputs, outputs);
    if (codes.empty()) continue;  // too small for it, or not on this machine
    EXPECT_EQ(codes, unpack(*unpack_awq_kernels().back(), words, inputs, outputs))
        << inputs << " x " << outputs;
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, UnpackAwqTest,
                         testing::ValuesIn(unpack_awq_kernels().begin(),
                                           unpack_awq_kernels().end()),
                         [](const auto& test) { return std::string(test.param->name); });

}  // namespace
}  // namespace requant::kernel
