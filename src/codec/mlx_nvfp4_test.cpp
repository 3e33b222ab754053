#include <gtest/gtest.h>

#include "codec/codec.h"
#include "codec/mlx_testing.h"
#include "codec/testing.h"

namespace requant {
namespace {

using testing_support::f32;
using testing_support::u8;

const Codec& codec() { return *find_codec("mlx-nvfp4"); }

Scheme nvfp4() {
  Scheme scheme;
  scheme.element = Element::kE2M1;
  scheme.bits = 4;
  scheme.grid = Grid::group(16);
  scheme.scale_dtype = DType::kF8E4M3;
  return scheme;
}

TEST(MlxNvfp4, RoundTrips) {
  testing_support::expect_round_trip(codec(), nvfp4(), 3, 64);
  testing_support::expect_refusal_when_cut(codec(), nvfp4(), 3, 64);
}

TEST(MlxNvfp4, ReadsWhatMlxWrote) {
  testing_support::expect_mlx_vector(codec(), "nvfp4_b4_g16", {},
                                     "e2m1 per group 16, scale F8_E4M3");
}

// Codes 0x2 and 0x4 are 1 and 2, the scale 0x38 is 1.
WeightParts two_experts() {
  return {{"weight", testing_support::tensor_of<std::uint32_t>(
                         DType::kU32, {2, 1, 2}, {0x22222222, 0x22222222, 0x44444444, 0x44444444})},
          {"scales", u8({2, 1, 1}, {0x38, 0x38})},
          {"global_scale", f32({2}, {2688, 1344})}};
}

TEST(MlxNvfp4, MultipliesByAFactorForEachExpert) {
  const auto scheme = codec().scheme_of(two_experts(), {});
  ASSERT_TRUE(scheme);
  const auto weight = codec().decode(two_experts(), *scheme);
  ASSERT_TRUE(weight) << weight.error().message();
  const auto values = testing_support::values_of(*weight);
  ASSERT_EQ(values.size(), 32U);
  EXPECT_EQ(values.front(), 1);
  EXPECT_EQ(values.back(), 2 * 0.5);
}

TEST(MlxNvfp4, WantsAsManyFactorsAsExperts) {
  WeightParts parts = two_experts();
  parts["global_scale"] = f32({3}, {1, 2, 3});
  EXPECT_FALSE(codec().scheme_of(parts, {}));
}

}  // namespace
}  // namespace requant
