#include <gtest/gtest.h>

#include "quant/testing.h"

namespace requant {
namespace {

using testing_support::f32;
using testing_support::i8;
using testing_support::random_weight;

QuantizedWeight small() {
  QuantizedWeight weight;
  weight.scheme.grid = Grid::channel();
  weight.rows = 2;
  weight.cols = 3;
  weight.codes = i8({2, 3}, {1, 2, 3, 4, 5, 6});
  weight.scales = f32({2, 1}, {1, 2});
  return weight;
}

std::string complaint(const QuantizedWeight& weight) {
  const auto result = validate(weight);
  return result ? "" : result.error().message();
}

TEST(Validate, AcceptsWhatFits) { EXPECT_EQ(complaint(small()), ""); }

TEST(Validate, NamesTheTensorThatDoesNotFit) {
  QuantizedWeight weight = small();
  weight.scales = f32({2}, {1, 2});
  EXPECT_EQ(complaint(weight), "'scales' is F32 [2], expected F32 [2, 1]");
  weight = small();
  weight.cols = 4;
  EXPECT_EQ(complaint(weight), "'codes' is I8 [2, 3], expected I8 [2, 4]");
  weight = small();
  weight.codes.bytes = weight.codes.bytes.slice(0, 5);
  EXPECT_EQ(complaint(weight), "'codes' has 5 bytes, I8 [2, 3] needs 6");
}

TEST(Validate, RefusesTensorsThatTheSchemeDoesNotCallFor) {
  QuantizedWeight weight = small();
  weight.minima = f32({2, 1}, {0, 0});
  EXPECT_EQ(complaint(weight), "'minima' is there though the scheme has none");
  weight = small();
  weight.input_scale = f32({1}, {1});
  EXPECT_EQ(complaint(weight), "'input_scale' is there though the scheme has none");
}

TEST(Validate, RefusesSchemesThatContradictThemselves) {
  QuantizedWeight weight = small();
  weight.scheme.bits = 9;
  EXPECT_EQ(complaint(weight), "int codes of 9 bits");
  weight = small();
  weight.scheme.grid.block_rows = -1;
  EXPECT_EQ(complaint(weight), "a grid of negative blocks");
  weight =
      random_weight({.grid = Grid::group(4), .outer = OuterScale{.grid = Grid::group(8)}}, 2, 16);
  weight.scheme.outer->grid = Grid::group(6);
  EXPECT_EQ(complaint(weight), "scales per group 4 do not fit into outer scales per group 6");
  weight = small();
  weight.rows = 0;
  EXPECT_EQ(complaint(weight), "a weight of 0 x 3");
}

}  // namespace
}  // namespace requant
