#include "kernel/scan_exponents.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace requant::kernel {
namespace {

ScanExponents halves(const std::vector<std::uint16_t>& values) {
  return {.data = reinterpret_cast<const std::byte*>(values.data()),
          .bytes = values.size() * 2,
          .exponent = 0x7F807F807F807F80,
          .one = 0x0080008000800080,
          .sign = 0x8000800080008000};
}

class ScanExponentsTest : public testing::TestWithParam<const ScanExponentsKernel*> {};

TEST_P(ScanExponentsTest, FindsEachSpecialValueOfBf16AndNoOther) {
  for (int value = 0; value < 0x10000; ++value) {
    const std::vector<std::uint16_t> values(3, static_cast<std::uint16_t>(value));
    if (!GetParam()->supports(halves(values))) GTEST_SKIP() << "not on this machine";
    EXPECT_EQ(GetParam()->run(halves(values)), (value & 0x7F80) == 0x7F80) << value;
  }
}

TEST_P(ScanExponentsTest, FindsOneAtAnyPlaceOfAnyLength) {
  std::mt19937 random(1);
  for (const std::size_t count : {1, 3, 4, 63, 64, 65, 127, 200}) {
    std::vector<std::uint16_t> values(count);
    for (auto& value : values) value = static_cast<std::uint16_t>(random() & 0xBFFF);
    if (!GetParam()->supports(halves(values))) GTEST_SKIP() << "not on this machine";
    EXPECT_FALSE(GetParam()->run(halves(values))) << count;
    for (std::size_t at = 0; at < count; ++at) {
      const std::uint16_t old = values[at];
      values[at] = 0xFF80;
      EXPECT_TRUE(GetParam()->run(halves(values))) << at << " of " << count;
      values[at] = old;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, ScanExponentsTest,
                         testing::ValuesIn(scan_exponents_kernels().begin(),
                                           scan_exponents_kernels().end()),
                         [](const auto& test) { return std::string(test.param->name); });

}  // namespace
}  // namespace requant::kernel
