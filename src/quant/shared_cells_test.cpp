#include "quant/shared_cells.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "quant/row_reader.h"
#include "quant/testing.h"

namespace requant {
namespace {

using testing_support::f32;
using testing_support::random_weight;

// NVFP4 of that outer scale, as ModelOpt stores it (a factor) or compressed-tensors (a divisor).
QuantizedWeight nvfp4(std::int64_t rows, std::int64_t cols, Orientation orientation, float outer) {
  const Scheme scheme{.element = Element::kE2M1,
                      .bits = 4,
                      .grid = Grid::group(16),
                      .scale_dtype = DType::kF8E4M3,
                      .outer = OuterScale{.grid = Grid::tensor(), .orientation = orientation}};
  QuantizedWeight weight = random_weight(scheme, rows, cols, 5);
  weight.outer_scales = f32({1, 1}, {outer});
  return weight;
}

// Every element looked at by itself.
SharedCellsDifference each_by_itself(const QuantizedWeight& a, const QuantizedWeight& b) {
  SharedCellsDifference out;
  RowReader left(a);
  RowReader right(b);
  for (std::int64_t row = 0; row < a.rows; ++row) {
    const auto x = left.read(row);
    const auto y = right.read(row);
    for (std::size_t col = 0; col < x.size(); ++col) {
      out.largest = std::max(out.largest, std::fabs(static_cast<double>(nearest_f32(x[col]))));
      if (same_number(x[col], y[col])) continue;
      out.tally.add(row, static_cast<std::int64_t>(col), x[col], y[col]);
    }
  }
  return out;
}

void expect_same(const SharedCellsDifference& found, const SharedCellsDifference& expected) {
  EXPECT_EQ(found.tally.elements, expected.tally.elements);
  EXPECT_EQ(found.tally.max_absolute, expected.tally.max_absolute);
  EXPECT_EQ(found.tally.max_ulp, expected.tally.max_ulp);
  EXPECT_EQ(found.tally.row, expected.tally.row);
  EXPECT_EQ(found.tally.col, expected.tally.col);
  EXPECT_EQ(found.tally.left, expected.tally.left);
  EXPECT_EQ(found.tally.right, expected.tally.right);
  EXPECT_EQ(found.largest, expected.largest);
}

TEST(SharedCells, FindWhatEachElementByItselfTells) {
  constexpr float kFactor = 0.0012F;
  for (const std::int64_t cols : {16, 40, 1024}) {
    const QuantizedWeight a = nvfp4(700, cols, Orientation::kMultiplier, kFactor);
    for (const float divisor : {1 / kFactor, 833.0F, std::nextafter(1 / kFactor, 1000.0F)}) {
      const QuantizedWeight b = nvfp4(700, cols, Orientation::kDivisor, divisor);
      ASSERT_TRUE(share_cells(a, b));
      const SharedCellsDifference expected = each_by_itself(a, b);
      EXPECT_GT(expected.tally.elements, 0);
      expect_same(compare_shared_cells(a, b), expected);
      expect_same(compare_shared_cells(b, a), each_by_itself(b, a));
    }
  }
}

TEST(SharedCells, AreEqualWhereTheOuterScaleIsAPowerOfTwo) {
  const QuantizedWeight a = nvfp4(64, 64, Orientation::kMultiplier, 0.25F);
  const QuantizedWeight b = nvfp4(64, 64, Orientation::kDivisor, 4.0F);
  ASSERT_TRUE(share_cells(a, b));
  EXPECT_EQ(compare_shared_cells(a, b).tally.elements, 0);
}

TEST(SharedCells, AreNotThoseOfOtherCodesOrScales) {
  const QuantizedWeight a = nvfp4(4, 32, Orientation::kMultiplier, 0.5F);
  QuantizedWeight b = random_weight(a.scheme, 4, 32, 6);
  b.outer_scales = a.outer_scales;
  EXPECT_FALSE(share_cells(a, b));
  b = a;
  b.scheme.grid = Grid::group(8);
  EXPECT_FALSE(share_cells(a, b));
}

}  // namespace
}  // namespace requant
