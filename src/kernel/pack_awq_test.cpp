#include "kernel/pack_awq.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "kernel/unpack_awq.h"

namespace requant::kernel {
namespace {

class PackAwqTest : public testing::TestWithParam<const PackAwqKernel*> {};

std::vector<std::uint8_t> pack(const PackAwqKernel& kernel, const std::vector<std::int8_t>& codes,
                               std::int64_t inputs, std::int64_t outputs) {
  std::vector<std::uint8_t> words(static_cast<std::size_t>(inputs * outputs / 2), 99);
  const PackAwq problem = {codes.data(), words.data(), inputs, outputs};
  if (!kernel.supports(problem)) return {};
  kernel.run(problem);
  return words;
}

TEST(PackAwq, InterleavesTheNibbles) {
  const std::vector<std::int8_t> codes = {-8, -7, -6, -5, -4, -3, -2, -1};
  EXPECT_EQ(pack(*pack_awq_kernels().back(), codes, 1, 8),
            (std::vector<std::uint8_t>{0x20, 0x64, 0x31, 0x75}));
}

TEST_P(PackAwqTest, AgreesWithTheReferenceAndUnpacks) {
  std::mt19937 random(1);
  constexpr std::int64_t kSizes[][2] = {{64, 32}, {65, 40},   {64, 128}, {95, 8},
                                        {7, 64},  {128, 200}, {353, 296}};
  for (const auto& [inputs, outputs] : kSizes) {
    std::vector<std::int8_t> codes(static_cast<std::size_t>(inputs * outputs));
    for (auto& code : codes) code = static_cast<std::int8_t>(static_cast<int>(random() % 16) - 8);
    const auto words = pack(*GetParam(), codes, inputs, outputs);
    if (words.empty()) continue;  // too small for it, or not on this machine
    EXPECT_EQ(words, pack(*pack_awq_kernels().back(), codes, inputs, outputs))
        << inputs << " x " << outputs;
    std::vector<std::int8_t> again(codes.size());
    unpack_awq({words.data(), again.data(), inputs, outputs});
    EXPECT_EQ(again, codes) << inputs << " x " << outputs;
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, PackAwqTest,
                         testing::ValuesIn(pack_awq_kernels().begin(), pack_awq_kernels().end()),
                         [](const auto& test) { return std::string(test.param->name); });

}  // namespace
}  // namespace requant::kernel
