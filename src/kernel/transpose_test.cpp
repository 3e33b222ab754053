#include "kernel/transpose.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "kernel/testing.h"

namespace requant::kernel {
namespace {

class TransposeTest : public testing::TestWithParam<const TransposeKernel*> {
 protected:
  void SetUp() override {
    if (!GetParam()->supports()) GTEST_SKIP() << "not on this machine";
  }
};

using Bytes = std::vector<std::uint8_t>;

Bytes run(const TransposeKernel& kernel, const Bytes& from, std::int64_t rows, std::int64_t cols,
          int width) {
  Bytes to(from.size(), 99);
  kernel.run({from.data(), to.data(), rows, cols, width});
  return to;
}

TEST(Transpose, TurnsRowsIntoColumns) {
  const Bytes from = {1, 2, 3, 4, 5, 6};
  EXPECT_EQ(run(*transpose_kernels().back(), from, 2, 3, 1), (Bytes{1, 4, 2, 5, 3, 6}));
  EXPECT_EQ(run(*transpose_kernels().back(), from, 1, 3, 2), from);
}

TEST_P(TransposeTest, AgreesWithTheReference) {
  std::mt19937 random(1);
  constexpr std::int64_t kSizes[][2] = {{1, 1},   {64, 64},  {16, 16}, {128, 256}, {3, 200},
                                        {200, 3}, {65, 127}, {33, 70}, {96, 576},  {1, 77}};
  for (const int width : {1, 2, 4}) {
    for (const auto& [rows, cols] : kSizes) {
      Bytes from(static_cast<std::size_t>(rows * cols * width));
      for (auto& byte : from) byte = static_cast<std::uint8_t>(random());
      const Bytes to = run(*GetParam(), from, rows, cols, width);
      EXPECT_EQ(to, run(*transpose_kernels().back(), from, rows, cols, width))
          << rows << " x " << cols << " of " << width << " bytes";
      EXPECT_EQ(run(*GetParam(), to, cols, rows, width), from);
    }
  }
}

TEST_P(TransposeTest, FindsOneOtherByteWithoutWriting) {
  std::mt19937 random(2);
  for (const int width : {1, 2, 4}) {
    Bytes from(static_cast<std::size_t>(200 * 70 * width));
    for (auto& byte : from) byte = static_cast<std::uint8_t>(random());
    Bytes to = run(*GetParam(), from, 200, 70, width);
    for (const std::size_t at : {std::size_t{0}, to.size() / 2, to.size() - 1}) {
      for (const bool other : {false, true}) {
        to[at] ^= static_cast<std::uint8_t>(other ? 4 : 0);
        const Bytes before = to;
        bool differs = false;
        GetParam()->run({from.data(), to.data(), 200, 70, width, &differs});
        EXPECT_EQ(differs, other) << width << ", byte " << at;
        EXPECT_EQ(to, before);
      }
      to[at] ^= 4;
    }
  }
}

// Results of more than a MiB are written past the cache.
TEST_P(TransposeTest, WritesLargeResultsAsSmallOnes) {
  using Lines = testing_support::LineBytes;
  for (const int width : {1, 2, 4}) {
    const std::int64_t rows = 1088;
    const std::int64_t cols = 1100;
    Lines from = Lines::random(rows * cols * width);
    Lines to(rows * cols * width);
    Lines expected(rows * cols * width);
    GetParam()->run({from.data(), to.data(), rows, cols, width});
    transpose_kernels().back()->run({from.data(), expected.data(), rows, cols, width});
    EXPECT_TRUE(to == expected) << width;
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, TransposeTest,
                         testing::ValuesIn(testing_support::tested(transpose_kernels())),
                         [](const auto& test) { return std::string(test.param->name); });

}  // namespace
}  // namespace requant::kernel
