#include <gtest/gtest.h>

#include <cmath>

#include "quant/testing.h"

namespace requant {
namespace {

using testing_support::f32;
using testing_support::i8;
using testing_support::tensor_of;
using testing_support::u8;
using testing_support::values_of;
using Values = std::vector<float>;

QuantizedWeight weight_of(Scheme scheme, std::int64_t rows, std::int64_t cols, Tensor codes,
                          Tensor scales) {
  QuantizedWeight weight;
  weight.scheme = std::move(scheme);
  weight.rows = rows;
  weight.cols = cols;
  weight.codes = std::move(codes);
  weight.scales = std::move(scales);
  return weight;
}

TEST(Dequantize, AppliesRaggedBlocks) {
  const auto weight = weight_of({.grid = Grid::block(2, 2)}, 3, 3,
                                i8({3, 3}, {1, 1, 1, 1, 1, 1, 1, 1, 1}), f32({2, 2}, {1, 2, 3, 4}));
  EXPECT_EQ(values_of(weight), (Values{1, 1, 2, 1, 1, 2, 3, 3, 4}));
}

TEST(Dequantize, SubtractsZeroPoints) {
  auto weight = weight_of({.bits = 4, .grid = Grid::group(2), .offset = Offset::kZero}, 1, 4,
                          i8({1, 4}, {-8, 7, 0, 1}), f32({1, 2}, {0.5F, 2}));
  weight.zeros = tensor_of<std::int16_t>(DType::kI16, {1, 2}, {-8, 7});
  EXPECT_EQ(values_of(weight), (Values{0, 7.5F, -14, -12}));
}

TEST(Dequantize, LooksGroupsUpThroughThePermutation) {
  auto weight = weight_of({.grid = Grid::group(2), .permuted = true}, 1, 4,
                          i8({1, 4}, {1, 2, 3, 4}), f32({1, 2}, {1, 10}));
  weight.permutation = tensor_of<std::int32_t>(DType::kI32, {4}, {1, 0, 1, -1});
  const Values values = values_of(weight);
  EXPECT_EQ(values[0], 10);
  EXPECT_EQ(values[1], 2);
  EXPECT_EQ(values[2], 30);
  EXPECT_TRUE(std::isnan(values[3]));  // GPTQ marks unused inputs by -1
}

TEST(Dequantize, ExpandsCodebooksOfSeveralElements) {
  auto weight = weight_of({.element = Element::kCodebook, .bits = 9, .grid = Grid::channel()}, 1, 4,
                          tensor_of<std::uint16_t>(DType::kU16, {1, 2}, {1, 2}), f32({1, 1}, {2}));
  weight.codebook = f32({2, 2}, {1, 2, 3, -4});
  const Values values = values_of(weight);
  EXPECT_EQ(values[0], 6);
  EXPECT_EQ(values[1], -8);
  EXPECT_TRUE(std::isnan(values[2]));  // an index beyond the codebook
}

TEST(Dequantize, AppliesFlatBlocksAcrossRows) {
  auto weight =
      weight_of({.element = Element::kCodebook, .bits = 4, .grid = {.block_cols = 4, .flat = true}},
                2, 3, u8({2, 3}, {0, 1, 1, 1, 1, 0}), f32({1, 2}, {1, 10}));
  weight.codebook = f32({2}, {-1, 1});
  EXPECT_EQ(values_of(weight), (Values{-1, 1, 1, 1, 10, -10}));
}

TEST(Dequantize, RoundsTheExactValueOnce) {
  // 255 x 0x1.000002p0 x 0x1.000002p0 has 56 bits.
  auto weight = weight_of({.grid = Grid::channel(), .outer = OuterScale{}}, 1, 1, i8({1, 1}, {127}),
                          f32({1, 1}, {0x1.000002p0F}));
  weight.outer_scales = f32({1, 1}, {0x1.000002p0F});
  const auto exact = static_cast<float>(127.0L * 0x1.000002p0L * 0x1.000002p0L);
  EXPECT_EQ(values_of(weight), (Values{exact}));
}

TEST(Dequantize, RefusesWhatDoesNotValidate) {
  auto weight =
      weight_of({.grid = Grid::channel()}, 2, 2, i8({2, 2}, {1, 2, 3, 4}), f32({1, 1}, {1}));
  EXPECT_FALSE(dequantize(weight));
}

}  // namespace
}  // namespace requant
