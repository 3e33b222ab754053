#include "kernel/compare_codes.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace requant::kernel {
namespace {

constexpr std::size_t kCount = 512;

struct Row {
  std::vector<float> values = std::vector<float>(kCount);
  std::vector<std::uint8_t> codes = std::vector<std::uint8_t>(kCount);
  std::vector<double> scales;
  std::vector<double> minima;
  std::vector<float> codebook;
};

Row random_row(std::size_t group, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Row row;
  for (float& value : row.values) value = normal(random);
  for (std::uint8_t& code : row.codes) code = static_cast<std::uint8_t>(random() & 0xFF);
  for (std::size_t g = 0; g < kCount / group; ++g) {
    row.scales.push_back(static_cast<double>(normal(random)));
    row.minima.push_back(static_cast<double>(normal(random)));
  }
  for (int i = 0; i < 16; ++i) row.codebook.push_back(normal(random));
  return row;
}

CompareCodes problem(const Row& row, std::size_t group) {
  return {.values = row.values.data(),
          .count = kCount,
          .codes = row.codes.data(),
          .is_signed = false,
          .codebook = nullptr,
          .group = group,
          .scales = row.scales.data(),
          .minima = nullptr};
}

void expect_same(const CompareCodes& p) {
  CodeDifference expected;
  compare_codes_kernels().back()->run(p, expected);
  for (const CompareCodesKernel* kernel : compare_codes_kernels()) {
    if (!kernel->supports()) continue;
    CodeDifference found;
    kernel->run(p, found);
    EXPECT_EQ(found.elements, expected.elements) << kernel->name;
    EXPECT_EQ(found.max_absolute, expected.max_absolute) << kernel->name;
    EXPECT_EQ(found.max_ulp, expected.max_ulp) << kernel->name;
    EXPECT_EQ(found.largest, expected.largest) << kernel->name;
  }
}

TEST(CompareCodes, IsTheSameByEveryKernel) {
  for (const std::size_t group : {16U, 32U, 256U}) {
    const Row row = random_row(group, static_cast<unsigned>(group));
    CompareCodes p = problem(row, group);
    expect_same(p);
    p.is_signed = true;
    expect_same(p);
    p.minima = row.minima.data();
    expect_same(p);
    p.codebook = row.codebook.data();
    expect_same(p);
  }
}

TEST(CompareCodes, CountsWhatDiffersAndHowFar) {
  Row row = random_row(32, 1);
  for (double& scale : row.scales) scale = 0.5;
  for (std::size_t i = 0; i < kCount; ++i) {
    row.values[i] = 0.5F * static_cast<float>(static_cast<std::int8_t>(row.codes[i]));
  }
  row.codes[3] = 100;  // 50
  row.values[3] = 40;
  row.codes[7] = 255;  // -0.5
  row.values[7] = std::nextafter(-0.5F, 0.0F);
  row.codes[8] = 0;
  row.values[8] = -0.0F;
  CompareCodes p = problem(row, 32);
  p.is_signed = true;
  for (const CompareCodesKernel* kernel : compare_codes_kernels()) {
    if (!kernel->supports()) continue;
    CodeDifference found;
    kernel->run(p, found);
    EXPECT_EQ(found.elements, 2U) << kernel->name;
    EXPECT_EQ(found.max_absolute, 10) << kernel->name;
    EXPECT_EQ(found.max_ulp, 0x42480000U - 0x42200000U) << kernel->name;
    EXPECT_EQ(found.largest, 64) << kernel->name;
  }
}

}  // namespace
}  // namespace requant::kernel
