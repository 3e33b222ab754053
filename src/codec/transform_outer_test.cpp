#include <gtest/gtest.h>

#include <cmath>

#include "codec/testing.h"
#include "codec/transform.h"
#include "quant/testing.h"

namespace requant {
namespace {

using testing_support::f32;
using testing_support::random_weight;
using testing_support::tensor_of;
using testing_support::u8;
using testing_support::values_of;

QuantizedWeight mxfp4(std::vector<std::uint8_t> exponents, std::uint8_t code = 7) {
  QuantizedWeight w;
  w.scheme = {
      .element = Element::kE2M1, .bits = 4, .grid = Grid::group(32), .scale_dtype = DType::kF8E8M0};
  w.rows = 1;
  w.cols = static_cast<std::int64_t>(exponents.size()) * 32;
  w.codes = u8({1, w.cols}, std::vector<std::uint8_t>(static_cast<std::size_t>(w.cols), code));
  w.scales = tensor_of(DType::kF8E8M0, {1, w.cols / 32}, exponents);
  return w;
}

TEST(MxToNv, IsExactWhileTheExponentsSpanWhatE4m3Holds) {
  for (const Orientation orientation : {Orientation::kDivisor, Orientation::kMultiplier}) {
    const auto weight = mxfp4({127, 110, 115});
    const auto nv = mxfp4_to_nvfp4(weight, orientation);
    ASSERT_TRUE(nv) << nv.error().message();
    EXPECT_EQ(nv->scales, 0U);
    EXPECT_EQ(nv->codes, 0U);
    EXPECT_TRUE(compare(weight, nv->weight)->equal);
    EXPECT_EQ(nv->weight.scheme.grid, Grid::group(16));
    EXPECT_EQ(nv->weight.outer_scales.as<float>()[0],
              orientation == Orientation::kDivisor ? 256.0F : 0x1p-8F);
  }
}

TEST(MxToNv, RoundsTheCodesOfBlocksBelowTheSpan) {
  const auto weight = mxfp4({127, 108});  // a span of 19
  const auto nv = mxfp4_to_nvfp4(weight, Orientation::kMultiplier);
  ASSERT_TRUE(nv);
  EXPECT_EQ(nv->scales, 1U);
  // 6 x 2^-19 under a scale of 2^-17 is 1.5.
  EXPECT_EQ(nv->codes, 0U);
  EXPECT_TRUE(compare(weight, nv->weight)->equal);
  const auto odd = mxfp4_to_nvfp4(mxfp4({127, 108}, 1), Orientation::kMultiplier);
  EXPECT_EQ(odd->codes, 32U);
}

TEST(MxToNv, LeavesEmptyBlocksOutOfTheSpan) {
  auto weight = mxfp4({127, 0});
  std::vector<std::uint8_t> codes(64, 7);
  std::fill(codes.begin() + 32, codes.end(), std::uint8_t{8});  // -0
  weight.codes = u8({1, 64}, codes);
  const auto nv = mxfp4_to_nvfp4(weight, Orientation::kDivisor);
  ASSERT_TRUE(nv);
  EXPECT_EQ(nv->scales, 0U);
  EXPECT_TRUE(compare(weight, nv->weight)->equal);
}

TEST(MxToNv, KeepsRandomWeightsOfAnyExponents) {
  for (const std::uint8_t base : {std::uint8_t{0}, std::uint8_t{90}, std::uint8_t{237}}) {
    auto weight = random_weight(mxfp4({1}).scheme, 4, 96, base + 1U);
    std::vector<std::uint8_t> exponents(12);
    for (std::size_t i = 0; i < exponents.size(); ++i) {
      exponents[i] = static_cast<std::uint8_t>(base + (i * 7) % 18);
    }
    weight.scales = tensor_of(DType::kF8E8M0, {4, 3}, exponents);
    const auto nv = mxfp4_to_nvfp4(weight, Orientation::kDivisor);
    ASSERT_TRUE(nv) << nv.error().message();
    EXPECT_EQ(nv->scales, 0U) << int{base};
    EXPECT_TRUE(compare(weight, nv->weight)->equal) << int{base};
  }
}

TEST(WithoutOuter, CountsTheScalesThatRound) {
  QuantizedWeight w;
  w.scheme = {.grid = Grid::channel(), .outer = OuterScale{.orientation = Orientation::kDivisor}};
  w.rows = 2;
  w.cols = 1;
  w.codes = testing_support::i8({2, 1}, {3, 5});
  w.scales = f32({2, 1}, {127, 1});
  w.outer_scales = f32({1, 1}, {127});
  const auto folded = without_outer(w);
  ASSERT_TRUE(folded) << folded.error().message();
  EXPECT_EQ(folded->scales, 1U);
  EXPECT_EQ(values_of(folded->weight), (std::vector<float>{3, 5 * (1.0F / 127)}));
  EXPECT_FALSE(folded->weight.scheme.outer);
}

TEST(WithoutOuter, TakesInDivisorsOfEachRow) {
  QuantizedWeight w;
  const OuterScale outer{.grid = Grid::channel(), .orientation = Orientation::kDivisor};
  w.scheme = {.element = Element::kE4M3Fn, .grid = Grid::channel(), .outer = outer};
  w.rows = 2;
  w.cols = 1;
  w.codes = u8({2, 1}, {0x38, 0x40});
  w.scales = f32({2, 1}, {1, 1});
  w.outer_scales = f32({2, 1}, {4, 0.5F});
  const auto folded = without_outer(w);
  ASSERT_TRUE(folded) << folded.error().message();
  EXPECT_EQ(folded->scales, 0U);
  EXPECT_TRUE(compare(w, folded->weight)->equal);
}

QuantizedWeight nvfp4(Orientation orientation, float outer) {
  Scheme scheme{.element = Element::kE2M1,
                .bits = 4,
                .grid = Grid::group(16),
                .scale_dtype = DType::kF8E4M3,
                .outer = OuterScale{.orientation = orientation}};
  auto weight = random_weight(scheme, 4, 32);
  weight.outer_scales = f32({1, 1}, {outer});
  return weight;
}

TEST(WithOuterScale, IsExactForAPowerOfTwoThatLeavesRoom) {
  auto weight = nvfp4(Orientation::kMultiplier, 0.5F);
  weight.scales =
      tensor_of(DType::kF8E4M3, {4, 2},
                std::vector<std::uint8_t>{0x38, 0x40, 0x48, 0x50, 0x38, 0x39, 0x3A, 0x7E});
  const auto other = with_outer_scale(weight, 2);
  ASSERT_TRUE(other) << other.error().message();
  EXPECT_EQ(other->scales, 0U);
  EXPECT_TRUE(compare(weight, other->weight)->equal);
  EXPECT_GT(with_outer_scale(weight, 0.6F)->scales, 0U);
}

TEST(WithOuterScale, TakesDivisorsTheOtherWay) {
  auto weight = nvfp4(Orientation::kDivisor, 8);
  weight.scales =
      tensor_of(DType::kF8E4M3, {4, 2}, std::vector<std::uint8_t>(8, std::uint8_t{0x40}));
  const auto other = with_outer_scale(weight, 2);
  ASSERT_TRUE(other);
  EXPECT_EQ(other->scales, 0U);
  EXPECT_TRUE(compare(weight, other->weight)->equal);
}

TEST(WithInputOrientation, TurnsAPowerOfTwoExactly) {
  auto weight = nvfp4(Orientation::kDivisor, 8);
  weight.scheme.activations = {.kind = ActivationKind::kDynamic,
                               .element = Element::kE2M1,
                               .bits = 4,
                               .granularity = Granularity::kGroup,
                               .group = 16};
  weight.input_scale = f32({1}, {0.25F});
  const auto turned = with_input_orientation(weight, Orientation::kDivisor);
  ASSERT_TRUE(turned) << turned.error().message();
  EXPECT_TRUE(turned->exact);
  EXPECT_EQ(turned->weight.input_scale.as<float>()[0], 4.0F);
  weight.input_scale = f32({1}, {0.3F});
  EXPECT_FALSE(with_input_orientation(weight, Orientation::kDivisor)->exact);
}

}  // namespace
}  // namespace requant
