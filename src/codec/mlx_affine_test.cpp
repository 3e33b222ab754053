#include <fmt/format.h>
#include <gtest/gtest.h>

#include "codec/codec.h"
#include "codec/mlx_testing.h"
#include "codec/testing.h"

namespace requant {
namespace {

const Codec& codec() { return *find_codec("mlx-affine"); }

Scheme affine(int bits, std::int64_t group) {
  Scheme scheme;
  scheme.bits = bits;
  scheme.grid = Grid::group(group);
  scheme.scale_dtype = DType::kF16;
  scheme.offset = Offset::kMinimum;
  return scheme;
}

TEST(MlxAffine, RoundTrips) {
  for (const int bits : {2, 3, 4, 5, 6, 8}) {
    for (const std::int64_t group : {32, 64, 128}) {
      testing_support::expect_round_trip(codec(), affine(bits, group), 3, 2 * group);
    }
  }
}

TEST(MlxAffine, RefusesCutAndMangledTensors) {
  for (const int bits : {3, 4, 8}) {
    testing_support::expect_refusal_when_cut(codec(), affine(bits, 32), 3, 64);
  }
}

TEST(MlxAffine, ReadsWhatMlxWrote) {
  for (const int bits : {2, 3, 4, 5, 6, 8}) {
    testing_support::expect_mlx_vector(codec(), fmt::format("affine_b{}_g32", bits),
                                       affine(bits, 32),
                                       fmt::format("int{} per group 32, scale F16, minima", bits));
  }
  testing_support::expect_mlx_vector(codec(), "affine_b4_g64", affine(4, 64),
                                     "int4 per group 64, scale F16, minima");
}

TEST(MlxAffine, HasTheRowsOfAllExperts) {
  const WeightParts parts = {{"weight", {DType::kU32, {3, 8, 8}, {}}},
                             {"scales", {DType::kBF16, {3, 8, 2}, {}}},
                             {"biases", {DType::kBF16, {3, 8, 2}, {}}}};
  EXPECT_TRUE(codec().scheme_of(parts, affine(4, 32)));
  EXPECT_FALSE(codec().scheme_of(parts, affine(4, 64)));  // [64] are one group a row
  EXPECT_TRUE(codec().scheme_of(parts, affine(2, 64)));   // the shapes alone do not say which
}

TEST(MlxAffine, HasBiasesOfTheScalesDType) {
  QuantizedWeight weight = testing_support::random_weight(affine(4, 32), 2, 32);
  weight.minima = *to_f32(weight.minima);
  const auto refused = codec().encode(weight);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(), "mlx-affine has biases of the scales' F16, not F32");
}

}  // namespace
}  // namespace requant
