#include "kernel/expand_codes.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace requant::kernel {
namespace {

class ExpandCodesTest : public testing::TestWithParam<const ExpandCodesKernel*> {};

TEST_P(ExpandCodesTest, AgreesWithTheReferenceFromEveryPlaceOn) {
  if (!GetParam()->supports()) GTEST_SKIP() << "not on this machine";
  std::mt19937 random(1);
  std::vector<std::uint8_t> codes(512);
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::uint8_t>(random());
  for (std::size_t i = 1; i < codes.size(); i += 2) codes[i] &= 0xBB;  // no NaN as F16 or BF16
  std::vector<float> table(256);
  for (float& value : table) value = static_cast<float>(random() % 2001) / 100 - 10;
  for (const CodeForm form :
       {CodeForm::kNibbles, CodeForm::kInt8, CodeForm::kBytes, CodeForm::kF16, CodeForm::kBF16}) {
    for (std::size_t first = 0; first < 10; ++first) {
      for (const std::size_t count : {0, 1, 7, 8, 9, 32, 77}) {
        // Just the bytes that the problem may read.
        const std::size_t end = first + count;
        const std::size_t size = form == CodeForm::kNibbles ? (end + 1) / 2
                                 : static_cast<int>(form) >= static_cast<int>(CodeForm::kF16)
                                     ? 2 * end
                                     : end;
        const std::vector<std::uint8_t> exact(codes.begin(),
                                              codes.begin() + static_cast<long>(size));
        std::vector<float> out(count);
        std::vector<float> expected(count);
        ExpandCodes problem{exact.data(), first, count,  form,
                            table.data(), 0.37F, -1.25F, out.data()};
        GetParam()->run(problem);
        problem.out = expected.data();
        expand_codes_kernels().back()->run(problem);
        for (std::size_t i = 0; i < count; ++i) {
          ASSERT_NEAR(out[i], expected[i], std::fabs(expected[i]) * 1e-6 + 1e-5)
              << static_cast<int>(form) << " from " << first << ": " << i;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, ExpandCodesTest,
                         testing::ValuesIn(expand_codes_kernels().begin(),
                                           expand_codes_kernels().end()),
                         [](const auto& test) { return std::string(test.param->name); });

}  // namespace
}  // namespace requant::kernel
