#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "quant/testing.h"

namespace requant {
namespace {

using testing_support::f32;
using testing_support::i8;
using testing_support::random_weight;
using testing_support::tensor_of;

Difference difference(const QuantizedWeight& a, const QuantizedWeight& b) {
  const auto result = compare(a, b);
  EXPECT_TRUE(result) << result.error().message();
  return result ? *result : Difference{};
}

// The weight with its own copy of a tensor, so that nothing can be told from shared memory.
Tensor copy(const Tensor& tensor) {
  return Tensor{tensor.dtype, tensor.shape, *Bytes::copy_of(tensor.bytes.span())};
}

TEST(Compare, FindsAWeightEqualToItself) {
  const auto weight = random_weight({.grid = Grid::group(8)}, 4, 16);
  EXPECT_TRUE(difference(weight, weight).equal);
  auto other = weight;
  other.codes = copy(weight.codes);
  other.scales = copy(weight.scales);
  EXPECT_TRUE(difference(weight, other).equal);
}

TEST(Compare, SaysWhereAndHowMuch) {
  QuantizedWeight a = random_weight({.grid = Grid::channel()}, 2, 2);
  a.codes = i8({2, 2}, {1, 2, 3, 4});
  a.scales = f32({2, 1}, {1, 0.5F});
  QuantizedWeight b = a;
  b.codes = i8({2, 2}, {1, 2, 3, -4});
  const Difference found = difference(a, b);
  EXPECT_FALSE(found.equal);
  EXPECT_EQ(found.elements, 1);
  EXPECT_EQ(found.max_relative, 2);
  EXPECT_EQ(found.first, "[1, 1]: 2 against -2");
  b = a;
  b.scales = f32({2, 1}, {std::nextafter(1.0F, 2.0F), 0.5F});
  EXPECT_EQ(difference(a, b).max_ulp, 1);
  EXPECT_EQ(difference(a, b).elements, 2);
}

TEST(Compare, DoesNotCountTheSplitOfFactorsTheGridOrTheDtype) {
  QuantizedWeight a = random_weight({.grid = Grid::tensor()}, 2, 4);
  a.codes = i8({2, 4}, {2, 4, -6, 8, 10, 12, 14, 0});
  a.scales = f32({1, 1}, {0.75F});
  QuantizedWeight b = a;
  b.scheme.grid = Grid::group(2);
  b.scheme.scale_dtype = DType::kBF16;
  b.codes = i8({2, 4}, {1, 2, -3, 4, 5, 6, 7, 0});
  b.scales = tensor_of<std::uint16_t>(DType::kBF16, {2, 2}, {0x3FC0, 0x3FC0, 0x3FC0, 0x3FC0});
  EXPECT_TRUE(difference(a, b).equal);
}

TEST(Compare, HoldsDividingScalesAgainstMultiplyingOnes) {
  QuantizedWeight a = random_weight({.grid = Grid::channel(), .outer = OuterScale{}}, 1, 2);
  a.scales = f32({1, 1}, {3});
  a.outer_scales = f32({1, 1}, {0.25F});
  QuantizedWeight b = a;
  b.scheme.outer->orientation = Orientation::kDivisor;
  b.outer_scales = f32({1, 1}, {4});
  EXPECT_TRUE(difference(a, b).equal);
  b.outer_scales = f32({1, 1}, {std::nextafter(4.0F, 5.0F)});
  EXPECT_FALSE(difference(a, b).equal);
}

TEST(Compare, HoldsMinimaAgainstZeroPoints) {
  QuantizedWeight a =
      random_weight({.bits = 4, .grid = Grid::channel(), .offset = Offset::kZero}, 1, 2);
  a.codes = i8({1, 2}, {-8, 7});
  a.zeros = tensor_of<std::int16_t>(DType::kI16, {1, 1}, {-3});
  a.scales = f32({1, 1}, {0.1F});
  QuantizedWeight b = a;
  b.scheme.offset = Offset::kMinimum;
  b.zeros = {};
  b.codes = testing_support::u8({1, 2}, {0, 15});
  b.minima = f32({1, 1}, {-5 * 0.1F});  // exact only by luck of the rounding
  const bool exact = static_cast<double>(-5 * 0.1F) == -5 * static_cast<double>(0.1F);
  EXPECT_EQ(difference(a, b).equal, exact);
  a.scales = b.scales = f32({1, 1}, {0.125F});
  b.minima = f32({1, 1}, {-0.625F});
  EXPECT_TRUE(difference(a, b).equal);
}

TEST(Compare, SeesNansAndInfinities) {
  QuantizedWeight a = random_weight({.element = Element::kE5M2, .grid = Grid::channel()}, 1, 2);
  a.codes = testing_support::u8({1, 2}, {0x7C, 0x7D});
  QuantizedWeight b = a;
  b.scales = f32({1, 1}, {2 * a.scales.as<float>()[0]});
  EXPECT_TRUE(difference(a, b).equal);
  b.codes = testing_support::u8({1, 2}, {0x7B, 0x7D});
  const Difference found = difference(a, b);
  EXPECT_EQ(found.elements, 1);
  EXPECT_EQ(found.max_relative, HUGE_VAL);
}

TEST(Compare, SeesWhatIsBesideTheValues) {
  const auto plain = random_weight({.grid = Grid::channel()}, 2, 4);
  auto other = plain;
  other.scheme.activations = Activations::dynamic_token(Element::kInt);
  EXPECT_EQ(difference(plain, other).first, "activations none against int8 dynamic per token");
  const auto fixed = random_weight(
      {.grid = Grid::channel(), .activations = Activations::static_tensor(Element::kInt)}, 2, 4);
  other = fixed;
  other.input_scale = f32({1}, {1234});
  EXPECT_EQ(difference(fixed, other).first, "the static activation scale");
  other = random_weight({.grid = Grid::channel()}, 2, 5);
  EXPECT_EQ(difference(plain, other).first, "[2, 4] against [2, 5]");
}

TEST(Compare, TakesAPermutationInOrderForNone) {
  const auto plain = random_weight({.grid = Grid::group(2)}, 2, 4);
  auto permuted = plain;
  permuted.scheme.permuted = true;
  permuted.permutation = tensor_of<std::int32_t>(DType::kI32, {4}, {0, 0, 1, 1});
  EXPECT_TRUE(difference(plain, permuted).equal);
  permuted.permutation = tensor_of<std::int32_t>(DType::kI32, {4}, {1, 1, 0, 0});
  EXPECT_TRUE(difference(plain, permuted).first.starts_with("the permutation of the inputs"));
}

TEST(Compare, CountsTheSameWhereCellsAndCodesComeAgain) {
  // 3 scales in turn against 3 others, so that every pair of cells comes with every pair of codes.
  const Scheme scheme = {.bits = 4, .grid = Grid::group(4)};
  auto a = random_weight(scheme, 64, 96, 1);
  auto b = random_weight(scheme, 64, 96, 2);
  std::vector<float> scales_a;
  std::vector<float> scales_b;
  for (int i = 0; i < 64 * 24; ++i) {
    scales_a.push_back(0.5F + static_cast<float>(i % 3));
    scales_b.push_back(0.25F + static_cast<float>(i % 5));
  }
  a.scales = f32({64, 24}, scales_a);
  b.scales = f32({64, 24}, scales_b);
  const auto left = testing_support::values_of(a);
  const auto right = testing_support::values_of(b);
  std::uint64_t differing = 0;
  double apart = 0;
  double largest = 0;
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (left[i] != right[i]) ++differing;
    apart = std::max(apart, std::fabs(static_cast<double>(left[i]) - right[i]));
    largest = std::max(largest, std::fabs(static_cast<double>(left[i])));
  }
  const Difference found = difference(a, b);
  EXPECT_EQ(found.elements, differing);
  EXPECT_EQ(found.max_relative, apart / largest);
}

}  // namespace
}  // namespace requant
