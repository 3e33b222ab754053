#include <gtest/gtest.h>

#include "codec/codec.h"
#include "codec/testing.h"
#include "quant/testing.h"

namespace requant {
namespace {

using testing_support::f32;
using testing_support::values_of;

const Codec& codec() { return *find_codec("fp8-scale"); }

std::vector<Scheme> schemes() {
  return {{.element = Element::kE4M3Fn,
           .grid = Grid::tensor(),
           .activations = Activations::static_tensor(Element::kE4M3Fn)},
          {.element = Element::kE4M3Fn,
           .grid = Grid::channel(),
           .activations = Activations::dynamic_token(Element::kE4M3Fn)},
          {.element = Element::kE4M3Fn, .grid = Grid::tensor(), .scale_dtype = DType::kBF16}};
}

TEST(Fp8Scale, RoundTrips) {
  for (const Scheme& scheme : schemes()) {
    testing_support::expect_round_trip(codec(), scheme, 6, 20);
    testing_support::expect_refusal_when_cut(codec(), scheme, 6, 20);
  }
}

TEST(Fp8Scale, ReadsAScaleWithoutDimensionsAndWritesItWithOne) {
  const WeightParts parts = {{"weight", testing_support::tensor_of<std::uint8_t>(
                                            DType::kF8E4M3, {1, 3}, {0x38, 0xC0, 0x7E})},
                             {"weight_scale", f32({}, {0.25F})},
                             {"input_scale", f32({}, {2})}};
  const auto scheme = codec().scheme_of(parts, {});
  ASSERT_TRUE(scheme);
  EXPECT_EQ(scheme->activations, Activations::static_tensor(Element::kE4M3Fn));
  const auto weight = codec().decode(parts, *scheme);
  ASSERT_TRUE(weight) << weight.error().message();
  EXPECT_EQ(values_of(*weight), (std::vector<float>{0.25F, -0.5F, 112}));
  const auto back = codec().encode(*weight);
  EXPECT_EQ(back->at("weight_scale").shape, (Shape{1}));
  EXPECT_EQ(back->at("input_scale").shape, (Shape{1}));
}

TEST(Fp8Scale, DoesNotTakeBlocks) {
  const WeightParts parts = {{"weight", {DType::kF8E4M3, {256, 256}, {}}},
                             {"weight_scale", {DType::kF32, {2, 2}, {}}}};
  EXPECT_FALSE(codec().scheme_of(parts, {}));
}

}  // namespace
}  // namespace requant
