#include <gtest/gtest.h>

#include "codec/codec.h"
#include "codec/testing.h"
#include "quant/testing.h"

namespace requant {
namespace {

const Codec& codec() { return *find_codec("modelopt-w8"); }

std::vector<Scheme> schemes() {
  return {{.element = Element::kE4M3Fn,
           .grid = Grid::tensor(),
           .activations = Activations::static_tensor(Element::kE4M3Fn)},
          {.element = Element::kE4M3Fn,
           .grid = Grid::channel(),
           .scale_dtype = DType::kBF16,
           .activations = Activations::dynamic_token(Element::kE4M3Fn)},
          {.element = Element::kE4M3Fn, .grid = Grid::block(4, 4)},
          {.grid = Grid::channel(),
           .input_multiplier = true,
           .activations = Activations::static_tensor(Element::kInt)},
          {.grid = Grid::channel(), .input_multiplier = true, .multiplier_dtype = DType::kF16},
          {.grid = Grid::channel()}};
}

TEST(ModeloptW8, RoundTrips) {
  for (const Scheme& scheme : schemes()) {
    testing_support::expect_round_trip(codec(), scheme, 8, 16);
    testing_support::expect_refusal_when_cut(codec(), scheme, 8, 16);
  }
}

TEST(ModeloptW8, SpellsBlocksInFourDimensionsAndReadsTwo) {
  const Scheme blocks = {.element = Element::kE4M3Fn, .grid = Grid::block(128, 128)};
  EXPECT_EQ(codec().layout(blocks, 512, 256)->at(1).shape, (Shape{4, 1, 2, 1}));
  for (const Shape& shape : {Shape{4, 1, 2, 1}, Shape{4, 2}}) {
    const WeightParts parts = {{"weight", {DType::kF8E4M3, {512, 256}, {}}},
                               {"weight_scale", {DType::kF32, shape, {}}}};
    EXPECT_EQ(codec().scheme_of(parts, {})->grid, Grid::block(128, 128));
  }
}

TEST(ModeloptW8, LeavesColumnsOfScalesToOthers) {
  const WeightParts parts = {{"weight", {DType::kF8E4M3, {512, 256}, {}}},
                             {"weight_scale", {DType::kF32, {512, 1}, {}}}};
  EXPECT_FALSE(codec().scheme_of(parts, {}));
}

}  // namespace
}  // namespace requant
