#include "quant/exact.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>

#include "tensor/float_formats.h"

namespace requant {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(Exact, RoundsOnceWhereDoubleWouldRoundTwice) {
  // 1 + 2^-24 is half way between two floats; the third factor decides, 2^-70 below double's reach.
  const double half_way = 1 + 0x1p-24;
  EXPECT_EQ(nearest_f32({.high = half_way}), 1.0F);
  EXPECT_EQ(nearest_f32({.high = half_way, .addend = 0x1p-70}), 1.0F + 0x1p-23F);
  EXPECT_EQ(nearest_f32({.high = half_way, .low = 0x1p-70}), 1.0F + 0x1p-23F);
  EXPECT_EQ(nearest_f32({.high = half_way, .low = 0x1p-70, .addend = -0x1p-69}), 1.0F);
}

TEST(Exact, AddsWhatCancels) {
  EXPECT_EQ(nearest_f32({.high = 3, .low = 0x1p-60, .addend = -3}), 0x1p-60F);
  EXPECT_EQ(nearest_f32({.high = 3, .addend = -3}), 0.0F);
}

TEST(Exact, DividesLikeOneDivision) {
  std::mt19937 random(1);
  for (int i = 0; i < 20000; ++i) {
    const auto a = static_cast<float>(random() % 4096) / 8;
    const auto b =
        std::bit_cast<float>(static_cast<std::uint32_t>(0x3F800000U | (random() & 0x7FFFFF)));
    EXPECT_EQ(nearest_f32({.high = static_cast<double>(a), .divisor = static_cast<double>(-b)}),
              a / -b);
  }
}

TEST(Exact, OddRoundingMakesNarrowRoundingRightAtOnce) {
  // 1 + 2^-8 is half way between two BF16; F32 alone would lose the 2^-40 and round to even.
  const ExactValue above = {.high = 1 + 0x1p-8 + 0x1p-40};
  EXPECT_EQ(f32_to_bf16(odd_f32(above)), 0x3F81);
  EXPECT_EQ(f32_to_bf16(nearest_f32(above)), 0x3F80);
  EXPECT_EQ(f32_to_bf16(odd_f32({.high = -(1 + 0x1p-8 - 0x1p-40)})), 0xBF80);
  EXPECT_EQ(f32_to_f16(odd_f32({.high = 65520 - 0x1p-30})), 0x7BFF);
}

TEST(Exact, KnowsEqualNumbersHoweverSplit) {
  const double third = 0x1.555556p-2;  // 24 bits
  EXPECT_TRUE(same_number(exact_product(3, third, 5), exact_product(15, third, 1)));
  EXPECT_TRUE(same_number(exact_product(255, third, third), exact_product(255, third, third)));
  EXPECT_FALSE(same_number(exact_product(255, third, third), exact_product(255, third * third, 1)));
  EXPECT_TRUE(same_number({.high = 6, .divisor = 3}, {.high = 2}));
  EXPECT_FALSE(same_number({.high = 1, .divisor = 3}, {.high = 1.0 / 3}));
  EXPECT_TRUE(same_number({.high = 1, .divisor = 3}, {.high = -2, .divisor = -6}));
  EXPECT_TRUE(same_number({.high = 5, .addend = -2}, {.high = 3}));
  EXPECT_FALSE(same_number({.high = 1, .addend = 0x1p-200}, {.high = 1}));
  EXPECT_TRUE(same_number({.high = 0.0}, {.high = -0.0}));
}

TEST(Exact, ComparesInfinitiesAndNans) {
  EXPECT_TRUE(same_number({.high = kInfinity}, {.high = kInfinity}));
  EXPECT_FALSE(same_number({.high = kInfinity}, {.high = -kInfinity}));
  EXPECT_FALSE(same_number({.high = kInfinity}, {.high = 0x1p200}));
  EXPECT_TRUE(same_number({.high = kNan}, {.high = kNan}));
  EXPECT_FALSE(same_number({.high = kNan}, {.high = 0}));
  EXPECT_TRUE(std::isinf(nearest_f32({.high = 1, .divisor = 0})));
}

}  // namespace
}  // namespace requant
