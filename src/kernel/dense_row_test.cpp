#include "kernel/dense_row.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace requant::kernel {
namespace {

class DenseRowTest : public testing::TestWithParam<const DenseRowKernel*> {};

constexpr std::size_t kCount = 256 + 5;

std::vector<std::uint8_t> every_code() {
  std::vector<std::uint8_t> codes;
  for (std::size_t i = 0; i < kCount; ++i) codes.push_back(static_cast<std::uint8_t>(i));
  return codes;
}

bool is_nan(DType dtype, std::uint32_t bits) {
  switch (dtype) {
    case DType::kF16:
      return (bits & 0x7FFF) > 0x7C00;
    case DType::kBF16:
      return (bits & 0x7FFF) > 0x7F80;
    default:
      return (bits & 0x7FFFFFFF) > 0x7F800000;
  }
}

// The bits that the kernel wrote, every NaN as all ones; empty when it does not support the
// problem.
std::vector<std::uint32_t> run(const DenseRowKernel& kernel, DenseRow problem) {
  const bool wide = problem.dtype == DType::kF32;
  std::vector<std::uint32_t> out(problem.count, 0);
  std::vector<std::uint16_t> narrow(problem.count, 0);
  problem.out = wide ? static_cast<void*>(out.data()) : narrow.data();
  if (!kernel.supports(problem)) return {};
  kernel.run(problem);
  if (!wide) out.assign(narrow.begin(), narrow.end());
  for (std::uint32_t& bits : out) {
    if (is_nan(problem.dtype, bits)) bits = 0xFFFFFFFF;
  }
  return out;
}

std::vector<float> scales() {
  std::vector<float> all = {0.0F,
                            1.0F,
                            -0.5F,
                            0.0147637799F,
                            0x1.fffffep-9F,
                            0x1p-59F,
                            0x1p-140F,
                            65535.0F,
                            0x1p59F,
                            std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::quiet_NaN()};
  std::mt19937 random(1);
  for (int i = 0; i < 200; ++i) {
    all.push_back(std::ldexp(static_cast<float>(random() % 0xFFFFFF + 1), -28 - i % 13));
  }
  return all;
}

TEST_P(DenseRowTest, AgreesWithTheReferenceInEveryBit) {
  const auto codes = every_code();
  for (const float scale : scales()) {
    for (const DenseCode code : {DenseCode::kInt8, DenseCode::kE4M3Fn, DenseCode::kE5M2}) {
      for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
        const int zero = code == DenseCode::kInt8 ? 3 : 0;
        const DenseRow problem = {codes.data(), kCount, code, scale, zero, dtype, nullptr};
        const auto written = run(*GetParam(), problem);
        if (written.empty()) continue;  // beyond it, or not on this machine
        ASSERT_EQ(written, run(*dense_row_kernels().back(), problem))
            << "scale " << scale << " code " << static_cast<int>(code) << " " << name_of(dtype);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, DenseRowTest,
                         testing::ValuesIn(dense_row_kernels().begin(), dense_row_kernels().end()),
                         [](const auto& test) { return std::string(test.param->name); });

}  // namespace
}  // namespace requant::kernel
