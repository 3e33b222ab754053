#include "kernel/dense.h"

#include <gtest/gtest.h>

#include "quant/row_reader.h"
#include "quant/testing.h"
#include "tensor/float_formats.h"

namespace requant::kernel {
namespace {

using testing_support::random_weight;

std::vector<Scheme> schemes() {
  return {
      {.grid = Grid::channel()},
      {.bits = 4, .grid = Grid::group(16), .scale_dtype = DType::kF16, .offset = Offset::kZero},
      {.element = Element::kE4M3Fn, .grid = Grid::block(3, 7)},
      {.element = Element::kE5M2, .grid = Grid::tensor(), .scale_dtype = DType::kBF16},
      {.grid = {.block_cols = 24, .flat = true}},
      {.bits = 4, .grid = Grid::group(8), .offset = Offset::kMinimum},
      {.element = Element::kE2M1,
       .bits = 4,
       .grid = Grid::group(16),
       .scale_dtype = DType::kF8E4M3,
       .outer = OuterScale{.orientation = Orientation::kDivisor}},
      {.element = Element::kCodebook, .bits = 4, .grid = Grid::group(16)},
      {.bits = 4, .grid = Grid::group(16), .permuted = true},
  };
}

TEST(Dense, GivesTheReferenceInF32) {
  for (const Scheme& scheme : schemes()) {
    const auto weight = random_weight(scheme, 10, 48);
    const auto fast = dense_tensor(weight, DType::kF32);
    const auto slow = dequantize(weight);
    ASSERT_TRUE(fast && slow) << describe(scheme);
    EXPECT_TRUE(same_bits(*fast, *slow)) << describe(scheme);
  }
}

TEST(Dense, RoundsTheExactValueOnceToNarrowTypes) {
  for (const Scheme& scheme : schemes()) {
    const auto weight = random_weight(scheme, 10, 48);
    const auto bf16 = dense_tensor(weight, DType::kBF16);
    const auto f16 = dense_tensor(weight, DType::kF16);
    ASSERT_TRUE(bf16 && f16);
    RowReader reader(weight);
    for (std::size_t row = 0; row < 10; ++row) {
      const auto values = reader.read(static_cast<std::int64_t>(row));
      for (std::size_t col = 0; col < 48; ++col) {
        const float odd = odd_f32(values[col]);
        ASSERT_EQ(bf16->as<std::uint16_t>()[row * 48 + col], f32_to_bf16(odd)) << describe(scheme);
        ASSERT_EQ(f16->as<std::uint16_t>()[row * 48 + col], f32_to_f16(odd)) << describe(scheme);
      }
    }
  }
}

TEST(Dense, RefusesOtherTypes) {
  const auto weight = random_weight({.grid = Grid::channel()}, 2, 2);
  const auto dense = dense_tensor(weight, DType::kF64);
  ASSERT_FALSE(dense);
  EXPECT_EQ(dense.error().message(), "dense weights are F32, BF16 or F16, not F64");
}

TEST(Dense, ComparesWithTheWeightItCameFrom) {
  auto weight = random_weight({.bits = 4, .grid = Grid::group(8)}, 4, 16);
  const auto dense = dense_tensor(weight, DType::kF32);
  ASSERT_TRUE(dense);
  const auto as_weight = dense_weight(*dense);
  ASSERT_TRUE(as_weight) << as_weight.error().message();
  EXPECT_EQ(describe(as_weight->scheme), "dense F32");
  const auto same = compare(*as_weight, *dense_weight(*dense));
  ASSERT_TRUE(same);
  EXPECT_TRUE(same->equal);
  weight.scheme.scale_dtype = DType::kBF16;  // 4 + 8 bits: F32 holds the products
  weight = random_weight(weight.scheme, 4, 16);
  const auto exact = compare(*dense_weight(*dense_tensor(weight, DType::kF32)), weight);
  ASSERT_TRUE(exact);
  EXPECT_TRUE(exact->equal) << exact->first;
}

}  // namespace
}  // namespace requant::kernel
