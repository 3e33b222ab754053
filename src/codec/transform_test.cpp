#include "codec/transform.h"

#include <gtest/gtest.h>

#include <limits>

#include "quant/testing.h"

namespace requant {
namespace {

using testing_support::f32;
using testing_support::random_weight;
using testing_support::u8;
using testing_support::values_of;

QuantizedWeight fp8(Element element, std::vector<std::uint8_t> codes, std::vector<float> scales) {
  QuantizedWeight w;
  w.scheme = {.element = element,
              .grid = Grid::channel(),
              .activations = Activations::dynamic_token(element)};
  w.rows = static_cast<std::int64_t>(scales.size());
  w.cols = static_cast<std::int64_t>(codes.size()) / w.rows;
  w.codes = u8({w.rows, w.cols}, codes);
  w.scales = f32({w.rows, 1}, scales);
  return w;
}

template <class T>
std::string complaint(const Result<T>& result) {
  return result ? "" : result.error().message();
}

TEST(RepairZeroRows, MakesZeroRowsOfTheNansOfLmdeploy) {
  const auto weight =
      fp8(Element::kE4M3Fn, {0x38, 0x40, 0xFF, 0x7F, 0x00, 0x80, 0x01, 0x02}, {0.5F, 0, 0, 2});
  const auto repair = repair_zero_rows(weight);
  ASSERT_TRUE(repair) << repair.error().message();
  EXPECT_EQ(repair->rows, (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(values_of(repair->weight), (std::vector<float>{0.5F, 1, 0, 0, 0, 0, 0x1p-8F, 0x1p-7F}));
  const auto scales = repair->weight.scales.as<float>();
  EXPECT_EQ(std::vector<float>(scales.begin(), scales.end()), (std::vector<float>{0.5F, 1, 1, 2}));
}

TEST(RepairZeroRows, LeavesASoundWeightAsItIs) {
  const auto weight = random_weight({.grid = Grid::channel()}, 4, 8);
  const auto repair = repair_zero_rows(weight);
  ASSERT_TRUE(repair);
  EXPECT_TRUE(repair->rows.empty());
  EXPECT_TRUE(repair->weight.codes.bytes.same_memory(weight.codes.bytes));
}

TEST(RepairZeroRows, RefusesEveryOtherDamageAndNamesTheRow) {
  const auto refusal = [](Element element, std::vector<std::uint8_t> codes, float scale) {
    return complaint(repair_zero_rows(fp8(element, {codes}, {1, scale})));
  };
  EXPECT_EQ(refusal(Element::kE4M3Fn, {1, 2, 0x7F, 3}, 1),
            "row 1 has a code that is NaN or infinite");
  EXPECT_EQ(refusal(Element::kE5M2, {1, 2, 3, 0xFC}, 1),
            "row 1 has a code that is NaN or infinite");
  EXPECT_EQ(refusal(Element::kE4M3Fn, {1, 2, 0x7F, 3}, 0), "row 1 has scale 0 but not codes 0");
  EXPECT_EQ(refusal(Element::kE5M2, {1, 2, 0x7C, 0}, 0), "row 1 has scale 0 but not codes 0");
  EXPECT_EQ(refusal(Element::kE4M3Fn, {1, 2, 0, 0}, -1), "row 1 has scale -1");
  EXPECT_EQ(refusal(Element::kE4M3Fn, {1, 2, 0, 0}, std::numeric_limits<float>::infinity()),
            "row 1 has scale inf");
  EXPECT_EQ(refusal(Element::kE4M3Fn, {1, 2, 0, 0}, std::numeric_limits<float>::quiet_NaN()),
            "row 1 has scale nan");
}

TEST(CheckSound, NamesTheFirstDamage) {
  auto weight = fp8(Element::kE4M3Fn, {1, 2, 3, 4}, {1, 0});
  EXPECT_EQ(complaint(check_sound(weight)), "");
  weight.codes = u8({2, 2}, {1, 2, 3, 0xFF});
  EXPECT_EQ(complaint(check_sound(weight)), "row 1 has a code that is NaN or infinite");
  weight.scales = f32({2, 1}, {1, std::numeric_limits<float>::infinity()});
  EXPECT_EQ(complaint(check_sound(weight)), "scale [1, 0] is inf");
  weight.scales = f32({2, 1}, {1, -2});
  EXPECT_EQ(complaint(check_sound(weight)), "scale [1, 0] is -2");
  weight.scheme.element = Element::kInt;
  weight.scheme.bits = 8;
  EXPECT_EQ(complaint(check_sound(weight)), "");
}

TEST(CheckSound, NamesAnOuterScaleThatCannotBe) {
  auto weight = fp8(Element::kE4M3Fn, {1, 2, 3, 4}, {1, 1});
  weight.scheme.outer = OuterScale{.orientation = Orientation::kDivisor};
  weight.outer_scales = f32({1, 1}, {0});
  EXPECT_EQ(complaint(check_sound(weight)), "scale 0 of the scales is 0");
  weight.outer_scales = f32({1, 1}, {std::numeric_limits<float>::quiet_NaN()});
  EXPECT_EQ(complaint(check_sound(weight)), "scale 0 of the scales is nan");
  weight.scheme.outer->orientation = Orientation::kMultiplier;
  weight.outer_scales = f32({1, 1}, {0});
  EXPECT_EQ(complaint(check_sound(weight)), "");
}

TEST(E5m2ToE4m3fn, KeepsWhatFitsAndReportsWhatDoesNot) {
  // 57344, 1, 2^-2 and -2^-14 are multiples of 2^-9 after the shift or not.
  const auto exact = e5m2_to_e4m3fn(fp8(Element::kE5M2, {0x7B, 0x3C, 0x34, 0xFB}, {0.5F}));
  ASSERT_TRUE(exact) << exact.error().message();
  EXPECT_EQ(exact->codes, 0);
  EXPECT_EQ(values_of(exact->weight), (std::vector<float>{28672, 0.5F, 0.125F, -28672}));
  EXPECT_EQ(describe(exact->weight.scheme),
            "e4m3fn per channel, scale F32, activations e4m3fn dynamic per token");
  EXPECT_EQ(exact->weight.scales.as<float>()[0], 64.0F);

  // 2^-3 is half of e4m3fn's smallest step after the shift: ties to even give 0.
  const auto rounded = e5m2_to_e4m3fn(fp8(Element::kE5M2, {0x40, 0x30, 0x33, 0x00}, {1}));
  ASSERT_TRUE(rounded);
  EXPECT_EQ(rounded->codes, 2);
  EXPECT_EQ(values_of(rounded->weight), (std::vector<float>{2, 0, 0.25F, 0}));
}

TEST(E5m2ToE4m3fn, RefusesInfinitiesAndScalesWithoutRoom) {
  EXPECT_EQ(complaint(e5m2_to_e4m3fn(fp8(Element::kE5M2, {0x7C, 0}, {1}))),
            "row 0 has a code that is NaN or infinite");
  EXPECT_EQ(complaint(e5m2_to_e4m3fn(fp8(Element::kE5M2, {1, 0}, {3e38F}))),
            "scale 0 of F32 does not take a factor of 128");
}

TEST(RefineGrid, RepeatsValuesExactly) {
  const Grid kFrom[] = {Grid::tensor(), Grid::channel(), Grid::block(4, 8)};
  for (const Grid& grid : kFrom) {
    const auto weight = random_weight(
        {.bits = 4, .grid = grid, .scale_dtype = DType::kBF16, .offset = Offset::kZero}, 6, 20);
    for (const Grid& finer : {Grid::group(4), Grid::block(1, 8), Grid::block(1, 1)}) {
      const auto refined = refine_grid(weight, finer);
      ASSERT_TRUE(refined) << refined.error().message();
      const auto difference = compare(weight, *refined);
      ASSERT_TRUE(difference);
      EXPECT_TRUE(difference->equal) << difference->first;
    }
  }
}

TEST(RefineGrid, RefusesACoarserGrid) {
  const auto weight = random_weight({.grid = Grid::group(8)}, 4, 16);
  EXPECT_EQ(complaint(refine_grid(weight, Grid::channel())),
            "scales per channel are not finer than per group 8");
  EXPECT_FALSE(refine_grid(weight, Grid::group(3)));
}

TEST(WithScaleDtype, WidensExactlyAndCountsWhatNarrowingRounds) {
  const auto weight = random_weight({.grid = Grid::channel(), .scale_dtype = DType::kF16}, 32, 4);
  const auto wide = with_scale_dtype(weight, DType::kF32);
  ASSERT_TRUE(wide);
  EXPECT_EQ(wide->scales, 0);
  EXPECT_TRUE(compare(weight, wide->weight)->equal);
  const auto back = with_scale_dtype(wide->weight, DType::kF16);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->scales, 0);
  const auto narrow = with_scale_dtype(weight, DType::kBF16);
  ASSERT_TRUE(narrow);
  EXPECT_GT(narrow->scales, 0);
  EXPECT_FALSE(compare(weight, narrow->weight)->equal);
}

TEST(WithScaleDtype, WidensPowersOfTwo) {
  auto weight = random_weight(
      {.element = Element::kE4M3Fn, .grid = Grid::block(1, 2), .scale_dtype = DType::kF8E8M0}, 2,
      4);
  weight.scales =
      testing_support::tensor_of<std::uint8_t>(DType::kF8E8M0, {2, 2}, {0, 1, 127, 254});
  const auto wide = with_scale_dtype(weight, DType::kF32);
  ASSERT_TRUE(wide) << wide.error().message();
  EXPECT_EQ(wide->scales, 0);
  EXPECT_TRUE(compare(weight, wide->weight)->equal);
  EXPECT_FALSE(with_scale_dtype(wide->weight, DType::kF8E8M0));
}

TEST(WithScaleDtype, RefusesWhatWouldOverflowOrVanish) {
  auto weight = random_weight({.grid = Grid::channel()}, 1, 4);
  weight.scales = f32({1, 1}, {1e6F});
  EXPECT_EQ(complaint(with_scale_dtype(weight, DType::kF16)), "scale 1000000 is beyond F16");
  weight.scales = f32({1, 1}, {1e-12F});
  EXPECT_FALSE(with_scale_dtype(weight, DType::kF16));
}

TEST(WithActivations, DropsTheStaticScale) {
  const auto weight = random_weight(
      {.grid = Grid::channel(), .activations = Activations::static_tensor(Element::kInt)}, 2, 4);
  const auto dropped = with_activations(weight, Activations::none());
  EXPECT_TRUE(validate(dropped));
  EXPECT_TRUE(dropped.input_scale.empty());
}

}  // namespace
}  // namespace requant
