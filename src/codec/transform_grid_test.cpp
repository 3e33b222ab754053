#include <gtest/gtest.h>

#include "codec/transform.h"
#include "quant/testing.h"

namespace requant {
namespace {

using testing_support::f32;
using testing_support::i8;
using testing_support::random_weight;
using testing_support::values_of;

// Back from a finer grid, where everything that is joined was one value before.
TEST(JoinCells, UndoesARefinement) {
  const Grid kCoarse[] = {Grid::tensor(), Grid::channel(), Grid::block(4, 8), Grid::group(16)};
  for (const Grid& grid : kCoarse) {
    const auto weight = random_weight(
        {.bits = 4, .grid = grid, .scale_dtype = DType::kBF16, .offset = Offset::kZero}, 6, 32);
    const auto fine = refine_grid(weight, Grid::group(4));
    ASSERT_TRUE(fine) << fine.error().message();
    const auto joined = join_cells(*fine, grid);
    ASSERT_TRUE(joined) << joined.error().message();
    ASSERT_TRUE(joined->has_value()) << describe(grid);
    EXPECT_TRUE(same_bits((*joined)->scales, weight.scales));
    EXPECT_TRUE(same_bits((*joined)->zeros, weight.zeros));
  }
}

TEST(JoinCells, GivesNothingWhereScalesOrZerosDiffer) {
  const auto weight = random_weight({.grid = Grid::group(8)}, 4, 16);
  EXPECT_FALSE(join_cells(weight, Grid::channel())->has_value());
  auto asymmetric = random_weight({.grid = Grid::group(8), .offset = Offset::kZero}, 1, 16);
  asymmetric.scales = f32({1, 2}, {1, 1});
  asymmetric.zeros = testing_support::tensor_of<std::int16_t>(DType::kI16, {1, 2}, {3, 4});
  EXPECT_FALSE(join_cells(asymmetric, Grid::channel())->has_value());
}

// Blocks and rows: neither lies in the other.
TEST(JoinCells, ReachesGridsThatOverlap) {
  auto weight = random_weight({.element = Element::kE4M3Fn, .grid = Grid::block(2, 8)}, 4, 16);
  weight.scales = f32({2, 2}, {1, 1, 3, 3});
  const auto joined = join_cells(weight, Grid::channel());
  ASSERT_TRUE(joined && joined->has_value());
  EXPECT_TRUE(compare(weight, **joined)->equal);
  const auto scales = (*joined)->scales.as<float>();
  EXPECT_EQ(std::vector<float>(scales.begin(), scales.end()), (std::vector<float>{1, 1, 3, 3}));
}

TEST(WithScales, KeepsTheCodesOfTheLargestScale) {
  QuantizedWeight w;
  w.scheme = {.grid = Grid::channel()};
  w.rows = 2;
  w.cols = 3;
  w.codes = i8({2, 3}, {127, -3, 5, 127, -4, 6});
  w.scales = f32({2, 1}, {2, 1});
  const auto scales = largest_scales(w, Grid::tensor());
  ASSERT_TRUE(scales) << scales.error().message();
  EXPECT_EQ(scales->as<float>()[0], 2.0F);
  const auto rounded = with_scales(w, Grid::tensor(), *scales);
  ASSERT_TRUE(rounded) << rounded.error().message();
  // 127 / 2 is 63.5, which ties to 64.
  EXPECT_EQ(rounded->codes, 1U);
  EXPECT_EQ(values_of(rounded->weight), (std::vector<float>{254, -6, 10, 128, -4, 6}));
}

// No value is further off than half a step of its new scale; those it counts are those that moved.
TEST(WithScales, RoundsRandomWeightsToTheNearest) {
  for (const Element element : {Element::kInt, Element::kE4M3Fn}) {
    const auto weight = random_weight({.element = element, .grid = Grid::group(8)}, 8, 64, 7);
    const auto scales = largest_scales(weight, Grid::channel());
    const auto rounded = with_scales(weight, Grid::channel(), *scales);
    ASSERT_TRUE(rounded) << rounded.error().message();
    const auto difference = compare(weight, rounded->weight);
    ASSERT_TRUE(difference);
    EXPECT_EQ(difference->elements, rounded->codes);
    const auto before = values_of(weight);
    const auto after = values_of(rounded->weight);
    for (std::size_t i = 0; i < before.size(); ++i) {
      const float step = scales->as<float>()[i / 64];
      const float bound = element == Element::kInt
                              ? step / 2
                              : std::max(step * 0x1p-10F, std::abs(before[i]) * 0x1p-4F);
      EXPECT_LE(std::abs(after[i] - before[i]), bound * 1.0001F) << i;
    }
  }
}

TEST(WithoutZeros, FoldsThemIntoWiderCodesAlways) {
  auto weight = random_weight({.bits = 4, .grid = Grid::group(8), .offset = Offset::kZero}, 8, 32);
  const auto wide = without_zeros(weight, 8);
  ASSERT_TRUE(wide && wide->has_value());
  EXPECT_TRUE(compare(weight, **wide)->equal);
  EXPECT_EQ((*wide)->scheme.offset, Offset::kNone);
}

TEST(WithoutZeros, FoldsThemIntoTheSameBitsWhereTheyFit) {
  QuantizedWeight w;
  w.scheme = {.bits = 4, .grid = Grid::channel(), .offset = Offset::kZero};
  w.rows = 1;
  w.cols = 2;
  w.codes = i8({1, 2}, {7, -8});
  w.scales = f32({1, 1}, {1});
  const auto with_zero = [&](std::int16_t zero) {
    w.zeros = testing_support::tensor_of<std::int16_t>(DType::kI16, {1, 1}, {zero});
    return without_zeros(w, 4);
  };
  EXPECT_TRUE(with_zero(0)->has_value());
  EXPECT_FALSE(with_zero(1)->has_value());
  EXPECT_FALSE(with_zero(-1)->has_value());
}

TEST(WithoutPermutation, DropsTheOneThatChangesNothing) {
  auto weight = random_weight({.bits = 4, .grid = Grid::group(8), .permuted = true}, 2, 16);
  std::vector<std::int32_t> order(16);
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int32_t>(i / 8);
  weight.permutation = testing_support::tensor_of(DType::kI32, {16}, order);
  const auto plain = without_permutation(weight);
  ASSERT_TRUE(plain && plain->has_value());
  EXPECT_TRUE(compare(weight, **plain)->equal);
  std::swap(order[0], order[15]);
  weight.permutation = testing_support::tensor_of(DType::kI32, {16}, order);
  EXPECT_FALSE(without_permutation(weight)->has_value());
}

TEST(WithPowerOfTwoScales, TakesPowersAndNothingElse) {
  auto weight = random_weight({.element = Element::kE4M3Fn, .grid = Grid::group(32)}, 1, 64);
  weight.scales = f32({1, 2}, {0x1p-5F, 0x1p100F});
  const auto powers = with_power_of_two_scales(weight);
  ASSERT_TRUE(powers && powers->has_value());
  EXPECT_TRUE(compare(weight, **powers)->equal);
  weight.scales = f32({1, 2}, {0.75F, 1});
  EXPECT_FALSE(with_power_of_two_scales(weight)->has_value());
}

TEST(WithMultiplierApplied, RoundsEachProductOnce) {
  auto weight = random_weight({.bits = 4, .grid = Grid::group(8), .input_multiplier = true}, 2, 8);
  weight.codes = i8({2, 8}, std::vector<std::int8_t>(16, 3));
  weight.scales = f32({2, 1}, {0.1F, 1});
  weight.input_multiplier = testing_support::tensor_of(
      DType::kBF16, {8}, std::vector<std::uint16_t>(8, std::uint16_t{0x3FC0}));  // 1.5
  const auto applied = with_multiplier_applied(weight, DType::kF32);
  ASSERT_TRUE(applied) << applied.error().message();
  const auto values = values_of(*applied);
  EXPECT_EQ(values[0], static_cast<float>(4.5 * static_cast<double>(0.1F)));
  EXPECT_EQ(values[15], 4.5F);
}

}  // namespace
}  // namespace requant
