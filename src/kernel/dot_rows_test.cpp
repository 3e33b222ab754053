#include "kernel/dot_rows.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace requant::kernel {
namespace {

class DotRowsTest : public testing::TestWithParam<const DotRowsKernel*> {};

TEST_P(DotRowsTest, AgreesWithDoublePrecision) {
  if (!GetParam()->supports()) GTEST_SKIP() << "not on this machine";
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (const std::size_t cols : {1, 7, 8, 9, 64, 203}) {
    for (const std::size_t rows : {1, 3, 4, 9}) {
      for (const std::size_t tokens : {1, 2, 3, 7}) {
        const std::size_t stride = cols + 3;
        std::vector<float> weights(rows * stride);
        std::vector<float> inputs(tokens * stride);
        for (float& w : weights) w = normal(random);
        for (float& x : inputs) x = normal(random);
        std::vector<float> out(tokens * (rows + 1), -7.0F);
        std::vector<float> expected = out;
        DotRows problem{weights.data(), stride, rows,       inputs.data(), stride,
                        tokens,         cols,   out.data(), rows + 1};
        GetParam()->run(problem);
        problem.out = expected.data();
        dot_rows_kernels().back()->run(problem);
        for (std::size_t i = 0; i < out.size(); ++i) {
          ASSERT_NEAR(out[i], expected[i], 1e-5 * std::sqrt(static_cast<double>(cols)) * 4)
              << rows << " rows, " << cols << " columns, " << tokens << " tokens: " << i;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, DotRowsTest,
                         testing::ValuesIn(dot_rows_kernels().begin(), dot_rows_kernels().end()),
                         [](const auto& test) { return std::string(test.param->name); });

}  // namespace
}  // namespace requant::kernel
