#include <gtest/gtest.h>

#include <cstdint>

#include "codec/codec.h"
#include "quant/testing.h"

namespace requant {
namespace {

using testing_support::f32;
using testing_support::tensor_of;

const Codec& codec() { return *find_codec("modelopt-w8-stack"); }

// Two experts of three inputs and two outputs.
WeightParts two_experts() {
  const std::vector<std::uint8_t> stored = {0x38, 0x40, 0x30, 0xB8, 0x00, 0x7E,   // [3, 2]
                                            0x01, 0x02, 0x03, 0x04, 0x05, 0x06};  // [3, 2]
  return {{"weight", tensor_of(DType::kF8E4M3, {2, 3, 2}, stored)},
          {"weight_scale", f32({}, {0.5F})}};
}

TEST(ModeloptW8Stack, HasTheRowsOfAllExpertsOneAfterTheOther) {
  const auto scheme = codec().scheme_of(two_experts(), {});
  ASSERT_TRUE(scheme);
  const auto weight = codec().decode(two_experts(), *scheme);
  ASSERT_TRUE(weight) << weight.error().message();
  EXPECT_EQ(weight->rows, 4);
  EXPECT_EQ(weight->cols, 3);
  const auto values = testing_support::values_of(*weight);
  const std::vector<float> first = {0.5F, 0.25F, 0, 1, -0.5F, 224};  // rows of expert 0
  EXPECT_EQ(std::vector<float>(values.begin(), values.begin() + 6), first);
  EXPECT_EQ(values[6], 0.5F / 512);
  EXPECT_EQ(values[7], 1.5F / 512);
}

TEST(ModeloptW8Stack, IsReadMatrixByMatrixToo) {
  WeightParts one = two_experts();
  one["weight"].shape = {3, 2};
  one["weight"].bytes = one["weight"].bytes.slice(6, 6);
  const auto scheme = codec().scheme_of(two_experts(), {});
  ASSERT_TRUE(scheme);
  const auto weight = codec().decode(one, *scheme);
  ASSERT_TRUE(weight) << weight.error().message();
  EXPECT_EQ(weight->rows, 2);
  EXPECT_EQ(testing_support::values_of(*weight)[2], 2.5F / 512);
}

TEST(ModeloptW8Stack, RefusesWhatIsNoStack) {
  WeightParts parts = two_experts();
  parts["weight"].shape = {12};
  EXPECT_FALSE(codec().scheme_of(parts, {}));
  EXPECT_FALSE(codec().decode(parts, {.element = Element::kE4M3Fn, .grid = Grid::tensor()}));
  parts["weight"].shape = {2, 3, 3};  // more than it has bytes for
  EXPECT_FALSE(codec().decode(parts, {.element = Element::kE4M3Fn, .grid = Grid::tensor()}));
  parts["weight"].shape = {std::int64_t{1} << 40, 1, std::int64_t{1} << 40};
  parts["weight"].bytes = {};
  EXPECT_FALSE(codec().scheme_of(parts, {}));
}

}  // namespace
}  // namespace requant
