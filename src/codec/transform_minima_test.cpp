#include <gtest/gtest.h>

#include "codec/codec.h"
#include "codec/transform.h"
#include "quant/testing.h"

namespace requant {
namespace {

using testing_support::random_weight;
using testing_support::values_of;

Scheme groups(int bits, Offset offset, DType dtype = DType::kF32) {
  Scheme scheme;
  scheme.bits = bits;
  scheme.grid = Grid::group(32);
  scheme.scale_dtype = dtype;
  scheme.offset = offset;
  return scheme;
}

void expect_equal(const QuantizedWeight& a, const QuantizedWeight& b) {
  const auto difference = compare(a, b);
  ASSERT_TRUE(difference) << difference.error().message();
  EXPECT_TRUE(difference->equal) << difference->first;
}

TEST(Minima, WithoutZeroPointsAreExactInEveryDType) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (const int bits : {2, 3, 4, 5, 6, 8}) {
      const auto before = random_weight(groups(bits, Offset::kNone, dtype), 4, 64);
      const auto after = with_minima(before);
      ASSERT_TRUE(after) << after.error().message();
      EXPECT_EQ(after->minima, 0U);
      expect_equal(before, after->weight);
      const auto back = without_minima(after->weight, Offset::kNone);
      ASSERT_TRUE(back) << back.error().message();
      ASSERT_TRUE(*back);
      EXPECT_TRUE(same_bits((*back)->codes, before.codes));
    }
  }
}

TEST(Minima, CountWhatTheyRound) {
  auto weight = random_weight(groups(4, Offset::kZero, DType::kF16), 1, 64);
  weight.scales = testing_support::tensor_of<std::uint16_t>(DType::kF16, {1, 2}, {0x3C00, 0x3C01});
  weight.zeros = testing_support::tensor_of<std::int16_t>(DType::kI16, {1, 2}, {-3, -3});
  const auto after = with_minima(weight);  // 5 x 1, 5 x (1 + 2^-10)
  ASSERT_TRUE(after) << after.error().message();
  EXPECT_EQ(after->minima, 1U);
  EXPECT_EQ(element_as_double(after->weight.minima, 0), -5);
  EXPECT_FALSE(*without_minima(after->weight, Offset::kZero));
}

TEST(Minima, OfScalesOf16BitsAreExactInF32) {
  auto weight = random_weight(groups(4, Offset::kZero, DType::kF16), 4, 64);
  weight.scales = *to_f32(weight.scales);
  weight.scheme.scale_dtype = DType::kF32;
  const auto after = with_minima(weight);
  ASSERT_TRUE(after) << after.error().message();
  EXPECT_EQ(after->minima, 0U);
  expect_equal(weight, after->weight);
  const auto back = without_minima(after->weight, Offset::kZero);
  ASSERT_TRUE(back) << back.error().message();
  ASSERT_TRUE(*back);
  EXPECT_TRUE(same_bits((*back)->zeros, weight.zeros));
}

TEST(Minima, AreNoZeroPointsWhereTheyAreNoWholeNumberOfScales) {
  auto weight = random_weight(groups(4, Offset::kMinimum), 1, 32);
  weight.scales = testing_support::f32({1, 1}, {0.5F});
  for (const float minimum : {-0.25F, 0.5F, -8.0F}) {
    weight.minima = testing_support::f32({1, 1}, {minimum});
    EXPECT_FALSE(*without_minima(weight, Offset::kZero)) << minimum;
  }
  weight.minima = testing_support::f32({1, 1}, {-7.5F});
  EXPECT_TRUE(*without_minima(weight, Offset::kZero));
  EXPECT_FALSE(*without_minima(weight, Offset::kNone));
  weight.minima = testing_support::f32({1, 1}, {-4.0F});
  EXPECT_TRUE(*without_minima(weight, Offset::kNone));
}

TEST(Minima, RefusesAnInfiniteOne) {
  auto weight = random_weight(groups(4, Offset::kNone, DType::kF16), 1, 32);
  weight.scales = testing_support::tensor_of<std::uint16_t>(DType::kF16, {1, 1}, {0x7800});
  const auto refused = with_minima(weight);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(),
            "the minimum of group 0 is -262144, which F16 does not hold");
}

}  // namespace
}  // namespace requant
