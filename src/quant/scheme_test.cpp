#include "quant/scheme.h"

#include <gtest/gtest.h>

namespace requant {
namespace {

TEST(Grid, CountsItsCellsWithRaggedEdges) {
  EXPECT_EQ(Grid::tensor().rows_of(6, 20), 1);
  EXPECT_EQ(Grid::tensor().cols_of(6, 20), 1);
  EXPECT_EQ(Grid::channel().rows_of(6, 20), 6);
  EXPECT_EQ(Grid::channel().cols_of(6, 20), 1);
  EXPECT_EQ(Grid::group(16).cols_of(6, 20), 2);
  EXPECT_EQ(Grid::block(4, 8).rows_of(6, 20), 2);
  EXPECT_EQ(Grid::block(4, 8).cols_of(6, 20), 3);
}

TEST(Grid, FindsTheCellOfAnElement) {
  EXPECT_EQ(Grid::tensor().index(5, 19, 6, 20), 0);
  EXPECT_EQ(Grid::channel().index(5, 19, 6, 20), 5);
  EXPECT_EQ(Grid::group(16).index(5, 19, 6, 20), 11);
  EXPECT_EQ(Grid::block(4, 8).index(5, 19, 6, 20), 5);
}

TEST(Grid, LetsFlatBlocksCrossRows) {
  const Grid flat = {.block_cols = 64, .flat = true};
  EXPECT_EQ(flat.rows_of(3, 100), 1);
  EXPECT_EQ(flat.cols_of(3, 100), 5);
  EXPECT_EQ(flat.index(0, 99, 3, 100), 1);
  EXPECT_EQ(flat.index(1, 27, 3, 100), 1);
  EXPECT_EQ(flat.index(1, 28, 3, 100), 2);
}

TEST(Scheme, IsDescribedInOneLine) {
  Scheme scheme;
  scheme.grid = Grid::channel();
  scheme.activations = Activations::dynamic_token(Element::kInt);
  EXPECT_EQ(describe(scheme), "int8 per channel, scale F32, activations int8 dynamic per token");
  scheme = {.bits = 4,
            .grid = Grid::group(128),
            .scale_dtype = DType::kF16,
            .offset = Offset::kZero,
            .permuted = true};
  EXPECT_EQ(describe(scheme), "int4 per group 128, scale F16, zero points, permuted inputs");
  scheme = {.element = Element::kE2M1,
            .bits = 4,
            .grid = Grid::group(16),
            .scale_dtype = DType::kF8E4M3,
            .outer = OuterScale{.orientation = Orientation::kDivisor}};
  EXPECT_EQ(describe(scheme),
            "e2m1 per group 16, scale F8_E4M3, outer scale F32 per tensor (divisor)");
  EXPECT_EQ(describe(Scheme::dense(DType::kBF16)), "dense BF16");
}

TEST(Activations, AreDescribed) {
  EXPECT_EQ(describe(Activations::none()), "none");
  EXPECT_EQ(describe(Activations::dynamic_token(Element::kE4M3Fn)), "e4m3fn dynamic per token");
  EXPECT_EQ(describe(Activations::static_tensor(Element::kInt)), "int8 static per tensor");
}

}  // namespace
}  // namespace requant
