#include "kernel/fields.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "kernel/testing.h"

namespace requant::kernel {
namespace {

using Bytes = std::vector<std::uint8_t>;

class FieldsTest : public testing::TestWithParam<const FieldsKernel*> {
 protected:
  void SetUp() override {
    if (!GetParam()->supports()) GTEST_SKIP() << "not on this machine";
  }
};

struct Layout {
  int unit_bytes;
  int fields;
  int first_shift;
  int shift_step;
  int bits;
  int sign;  // flip and bias
};

// HQQ's bytes and words, and the row pairs of ModelOpt.
constexpr Layout kLayouts[] = {{1, 1, 0, 0, 8, 0},  {1, 2, 4, -4, 4, 0}, {1, 4, 6, -2, 2, 0},
                               {1, 8, 7, -1, 1, 0}, {1, 2, 0, 4, 4, 8},  {4, 10, 27, -3, 3, 0}};

Bytes split(const FieldsKernel& kernel, const Bytes& units, const Layout& l) {
  const std::int64_t count = static_cast<std::int64_t>(units.size()) / l.unit_bytes;
  Bytes codes(static_cast<std::size_t>(count * l.fields), 99);
  kernel.split({units.data(), l.unit_bytes, count, codes.data(), count, l.fields, l.first_shift,
                l.shift_step, l.bits, l.sign, l.sign});
  return codes;
}

TEST(Fields, GiveTheFirstFieldOfAllUnitsFirst) {
  const Bytes units = {0x12, 0x34, 0x56};
  EXPECT_EQ(split(*fields_kernels().back(), units, {1, 2, 4, -4, 4, 0}), (Bytes{1, 3, 5, 2, 4, 6}));
  EXPECT_EQ(split(*fields_kernels().back(), {0x0F, 0x78}, {1, 2, 0, 4, 4, 8}),
            (Bytes{0xFF, 0xF8, 0, 7}));
}

TEST_P(FieldsTest, AgreeWithTheReferenceBothWays) {
  std::mt19937 random(1);
  for (const Layout& l : kLayouts) {
    for (const std::size_t count : {1U, 15U, 32U, 64U, 77U, 1000U}) {
      Bytes units(count * static_cast<std::size_t>(l.unit_bytes));
      for (auto& byte : units) byte = static_cast<std::uint8_t>(random());
      const Bytes codes = split(*GetParam(), units, l);
      ASSERT_EQ(codes, split(*fields_kernels().back(), units, l)) << l.bits << " bits, " << count;
      if (l.unit_bytes != 1) continue;
      Bytes again(units.size(), 99);
      const auto size = static_cast<std::int64_t>(count);
      EXPECT_TRUE(GetParam()->join({codes.data(), size, again.data(), size, l.fields, l.first_shift,
                                    l.shift_step, l.bits, l.sign, l.sign}));
      ASSERT_EQ(again, units) << l.bits << " bits, " << count;
    }
  }
}

TEST_P(FieldsTest, TellOfOneCodeThatDoesNotFit) {
  Bytes codes(200, 0);
  Bytes units(100);
  const JoinFields problem = {codes.data(), 100, units.data(), 100, 2, 0, 4, 4, 8, 8};
  EXPECT_TRUE(GetParam()->join(problem));
  for (const std::size_t at : {0U, 99U, 100U, 199U}) {
    codes[at] = 8;
    EXPECT_FALSE(GetParam()->join(problem)) << at;
    codes[at] = 0xF8;
  }
  EXPECT_TRUE(GetParam()->join(problem));
}

// Results of more than a MiB are written past the cache.
TEST_P(FieldsTest, WriteLargeResultsAsSmallOnes) {
  constexpr std::int64_t kCount = 64 * 20000;
  using Lines = testing_support::LineBytes;
  Lines units = Lines::random(kCount);
  Lines codes(2 * kCount);
  Lines expected(2 * kCount);
  for (const bool mine : {true, false}) {
    const FieldsKernel& kernel = mine ? *GetParam() : *fields_kernels().back();
    kernel.split({units.data(), 1, kCount, (mine ? codes : expected).data(), kCount, 2, 4, -4, 4});
  }
  EXPECT_TRUE(codes == expected);
  Lines again(kCount);
  EXPECT_TRUE(GetParam()->join({codes.data(), kCount, again.data(), kCount, 2, 4, -4, 4}));
  EXPECT_TRUE(again == units);
}

INSTANTIATE_TEST_SUITE_P(Kernels, FieldsTest,
                         testing::ValuesIn(testing_support::tested(fields_kernels())),
                         [](const auto& test) { return std::string(test.param->name); });

}  // namespace
}  // namespace requant::kernel
