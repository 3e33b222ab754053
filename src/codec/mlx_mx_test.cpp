#include <gtest/gtest.h>

#include "codec/codec.h"
#include "codec/mlx_testing.h"
#include "codec/testing.h"

namespace requant {
namespace {

const Codec& codec() { return *find_codec("mlx-mx"); }

Scheme mx(Element element) {
  Scheme scheme;
  scheme.element = element;
  scheme.bits = info(element).bits;
  scheme.grid = Grid::group(32);
  scheme.scale_dtype = DType::kF8E8M0;
  return scheme;
}

TEST(MlxMx, RoundTrips) {
  for (const Element element : {Element::kE2M1, Element::kE4M3Fn}) {
    testing_support::expect_round_trip(codec(), mx(element), 3, 64);
    testing_support::expect_refusal_when_cut(codec(), mx(element), 3, 64);
  }
}

TEST(MlxMx, ReadsWhatMlxWrote) {
  testing_support::expect_mlx_vector(codec(), "mxfp4_b4_g32", {},
                                     "e2m1 per group 32, scale F8_E8M0");
  testing_support::expect_mlx_vector(codec(), "mxfp8_b8_g32", {},
                                     "e4m3fn per group 32, scale F8_E8M0");
}

TEST(MlxMx, LeavesGroupsOf16ToNvfp4) {
  const WeightParts parts = {{"weight", {DType::kU32, {4, 8}, {}}},
                             {"scales", {DType::kU8, {4, 4}, {}}}};
  EXPECT_FALSE(codec().scheme_of(parts, {}));
  EXPECT_TRUE(find_codec("mlx-nvfp4")->scheme_of(parts, {}));
}

}  // namespace
}  // namespace requant
