#include "kernel/scan_fp8.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace requant::kernel {
namespace {

class ScanFp8Test : public testing::TestWithParam<const ScanFp8Kernel*> {};

TEST_P(ScanFp8Test, FindsEachSpecialCode) {
  for (int code = 0; code < 256; ++code) {
    const std::vector<std::uint8_t> codes(33, static_cast<std::uint8_t>(code));
    const ScanFp8 e4m3 = {codes.data(), codes.size(), false};
    if (!GetParam()->supports(e4m3)) GTEST_SKIP() << "not on this machine";
    EXPECT_EQ(GetParam()->run(e4m3), (code & 0x7F) == 0x7F ? 33 : 0) << code;
    EXPECT_EQ(GetParam()->run({codes.data(), codes.size(), true}), (code & 0x7F) >= 0x7C ? 33 : 0)
        << code;
  }
}

TEST_P(ScanFp8Test, CountsInEveryLength) {
  std::mt19937 random(1);
  std::vector<std::uint8_t> codes(20000);
  for (auto& code : codes) code = static_cast<std::uint8_t>(random());
  for (const std::size_t count : {0, 1, 31, 32, 33, 63, 8159, 8160, 8161, 20000}) {
    const ScanFp8 problem = {codes.data(), count, false};
    if (!GetParam()->supports(problem)) GTEST_SKIP() << "not on this machine";
    const auto expected = std::count_if(codes.begin(), codes.begin() + static_cast<long>(count),
                                        [](std::uint8_t code) { return (code & 0x7F) == 0x7F; });
    EXPECT_EQ(GetParam()->run(problem), static_cast<std::size_t>(expected)) << count;
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, ScanFp8Test,
                         testing::ValuesIn(scan_fp8_kernels().begin(), scan_fp8_kernels().end()),
                         [](const auto& test) { return std::string(test.param->name); });

}  // namespace
}  // namespace requant::kernel
