#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "codec/transform.h"
#include "quant/testing.h"
#include "tensor/float_formats.h"

namespace requant {
namespace {

using testing_support::f32;
using testing_support::random_weight;
using testing_support::u8;
using testing_support::values_of;

QuantizedWeight per_row(Element element, std::vector<std::uint8_t> codes,
                        std::vector<float> scales) {
  QuantizedWeight w;
  w.scheme = {.element = element, .grid = Grid::channel()};
  w.rows = static_cast<std::int64_t>(scales.size());
  w.cols = static_cast<std::int64_t>(codes.size()) / w.rows;
  w.codes = u8({w.rows, w.cols}, codes);
  w.scales = f32({w.rows, 1}, scales);
  return w;
}

// Every code but the NaNs, as torch's own tables of both types say.
TEST(Fnuz, HoldsEveryE4m3fnAtTwiceTheScale) {
  std::vector<std::uint8_t> codes;
  for (int code = 0; code < 256; ++code) {
    if (!is_nan_e4m3fn(static_cast<std::uint8_t>(code))) {
      codes.push_back(static_cast<std::uint8_t>(code));
    }
  }
  const auto weight = per_row(Element::kE4M3Fn, codes, {0.37F});
  const auto fnuz = e4m3fn_to_fnuz(weight);
  ASSERT_TRUE(fnuz) << fnuz.error().message();
  EXPECT_EQ(fnuz->scales.as<float>()[0], 0.74F);
  EXPECT_EQ(fnuz->codes.as<std::uint8_t>()[0x7F], 0);  // -0, at the place of 0x80
  EXPECT_TRUE(compare(weight, *fnuz)->equal);
  const auto back = fnuz_to_e4m3fn(*fnuz);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->codes, 0U);
  EXPECT_TRUE(compare(weight, back->weight)->equal);
}

TEST(Fnuz, KeepsTheScaleOfCellsThatHold240) {
  // 240 and 1 in the first row, fnuz's smallest beside 1 in the second.
  const auto weight = per_row(Element::kE4M3Fnuz, {0x7F, 0x40, 0x01, 0x40}, {2, 2});
  const auto fn = fnuz_to_e4m3fn(weight);
  ASSERT_TRUE(fn) << fn.error().message();
  EXPECT_EQ(fn->codes, 0U);
  EXPECT_EQ(values_of(fn->weight), values_of(weight));
  EXPECT_EQ(fn->weight.scales.as<float>()[0], 2.0F);
  EXPECT_EQ(fn->weight.scales.as<float>()[1], 1.0F);
}

TEST(Fnuz, CountsTheCodesThatRoundBeside240) {
  // 2^-10, half of e4m3fn's smallest: ties to even give 0. 2^-9 fits.
  const auto weight = per_row(Element::kE4M3Fnuz, {0xFF, 0x01, 0x02, 0x03}, {1});
  const auto fn = fnuz_to_e4m3fn(weight);
  ASSERT_TRUE(fn);
  EXPECT_EQ(fn->codes, 2U);
  EXPECT_EQ(values_of(fn->weight), (std::vector<float>{-240, 0, 0x1p-9F, 0x1p-8F}));
}

TEST(Fnuz, RefusesNanAndScalesWithoutRoom) {
  EXPECT_FALSE(fnuz_to_e4m3fn(per_row(Element::kE4M3Fnuz, {0x80}, {1})));
  EXPECT_FALSE(e4m3fn_to_fnuz(per_row(Element::kE4M3Fn, {0x7F}, {1})));
  EXPECT_FALSE(e4m3fn_to_fnuz(per_row(Element::kE4M3Fn, {0x01}, {3e38F})));
}

TEST(Fnuz, KeepsRandomBlocks) {
  for (std::uint32_t seed = 1; seed < 20; ++seed) {
    const auto weight = random_weight(
        {.element = Element::kE4M3Fn, .grid = Grid::block(4, 8), .scale_dtype = DType::kBF16}, 10,
        20, seed);
    const auto fnuz = e4m3fn_to_fnuz(weight);
    ASSERT_TRUE(fnuz) << fnuz.error().message();
    EXPECT_TRUE(compare(weight, *fnuz)->equal);
    const auto back = fnuz_to_e4m3fn(*fnuz);
    ASSERT_TRUE(back);
    EXPECT_EQ(back->codes, 0U);
    EXPECT_TRUE(same_bits(back->weight.scales, weight.scales));
  }
}

}  // namespace
}  // namespace requant
