#include <gtest/gtest.h>

#include "codec/codec.h"
#include "quant/testing.h"

namespace requant {
namespace {

using testing_support::f32;

const Codec& codec() { return *find_codec("dense"); }

TEST(DenseCodec, KeepsTheBytes) {
  const WeightParts parts = {{"weight", f32({2, 2}, {1, -2, 0.1F, 3e38F})}};
  const auto scheme = codec().scheme_of(parts, Scheme::dense(DType::kF32));
  ASSERT_TRUE(scheme);
  const auto weight = codec().decode(parts, *scheme);
  ASSERT_TRUE(weight) << weight.error().message();
  EXPECT_EQ(testing_support::values_of(*weight), (std::vector<float>{1, -2, 0.1F, 3e38F}));
  const auto back = codec().encode(*weight);
  ASSERT_TRUE(back);
  EXPECT_TRUE(back->at("weight").bytes.same_memory(parts.at("weight").bytes));
  WeightParts cut = parts;
  for (std::size_t size = 0; size < 16; ++size) {
    cut["weight"].bytes = *Bytes::copy_of(parts.at("weight").bytes.span().first(size));
    EXPECT_FALSE(codec().decode(cut, *scheme)) << size;
  }
}

// What random_weight() gives is no dense weight: its codes are not all 1.
TEST(DenseCodec, RefusesCodes) {
  auto weight = testing_support::random_weight({.grid = Grid::block(1, 1)}, 2, 2);
  weight.codes = testing_support::i8({2, 2}, {1, 1, 2, 1});
  EXPECT_FALSE(codec().encode(weight));
}

TEST(DenseCodec, DoesNotTakeAFloatMatrixForAWeightByItself) {
  EXPECT_FALSE(codec().scheme_of({{"weight", f32({1, 1}, {1})}}, {}));
}

}  // namespace
}  // namespace requant
