#include <gtest/gtest.h>

#include <cmath>

#include "codec/codec.h"
#include "codec/testing.h"
#include "quant/testing.h"

namespace requant {
namespace {

using testing_support::f32;
using testing_support::tensor_in;

const Codec& codec() { return *find_codec("modelopt-int4"); }

std::vector<Scheme> schemes() {
  return {
      {.bits = 4, .grid = Grid::group(8)},
      {.bits = 4, .grid = Grid::group(8), .scale_dtype = DType::kBF16, .input_multiplier = true},
      {.bits = 4,
       .grid = Grid::channel(),
       .input_multiplier = true,
       .activations = Activations::static_tensor(Element::kE4M3Fn)}};
}

TEST(ModeloptInt4, RoundTrips) {
  for (const Scheme& scheme : schemes()) {
    testing_support::expect_round_trip(codec(), scheme, 6, 24);
    testing_support::expect_refusal_when_cut(codec(), scheme, 6, 24);
  }
}

TEST(ModeloptInt4, ReadsWhatTheLibraryWrote) {
  const Json file = testing_support::vectors("modelopt");
  const Json& entry = *file.find("int4_awq");
  const WeightParts parts = {{"weight", tensor_in(entry, "weight")},
                             {"weight_scale", tensor_in(entry, "weight_scale")}};
  const auto scheme = codec().scheme_of(parts, {});
  ASSERT_TRUE(scheme);
  EXPECT_EQ(describe(*scheme), "int4 per group 16, scale F32");
  const auto weight = codec().decode(parts, *scheme);
  ASSERT_TRUE(weight) << weight.error().message();
  EXPECT_EQ(testing_support::values_of(*weight), testing_support::expected_values(entry));
  const auto codes = weight->codes.as<std::int8_t>();
  const auto& expected = entry.find("codes_NK")->items();
  ASSERT_EQ(codes.size(), expected.size());
  for (std::size_t i = 0; i < codes.size(); ++i) EXPECT_EQ(codes[i], *expected[i].as_int());
  const auto back = codec().encode(*weight);
  ASSERT_TRUE(back);
  for (const auto& [name, tensor] : parts) EXPECT_TRUE(same_bits(back->at(name), tensor)) << name;
}

// 400 times too large otherwise: the second scale is of the FP8 stage alone.
TEST(ModeloptInt4, LeavesTheSecondScaleOutOfTheWeight) {
  const WeightParts parts = {{"weight", testing_support::u8({1, 2}, {0x71, 0x8F})},
                             {"weight_scale", f32({2, 1}, {1, 2})},
                             {"weight_scale_2", f32({}, {0.125F})},
                             {"input_scale", f32({}, {3})}};
  const auto scheme = codec().scheme_of(parts, {});
  ASSERT_TRUE(scheme);
  EXPECT_EQ(scheme->activations, Activations::static_tensor(Element::kE4M3Fn));
  auto weight = codec().decode(parts, *scheme);
  ASSERT_TRUE(weight) << weight.error().message();
  EXPECT_EQ(testing_support::values_of(*weight), (std::vector<float>{1, -1, 14, -16}));
  EXPECT_EQ(codec().encode(*weight)->at("weight_scale_2").as<float>()[0], 0.125F);
  weight->dialect_private.clear();
  EXPECT_EQ(codec().encode(*weight)->at("weight_scale_2").as<float>()[0], 16.0F / 448);
}

TEST(ModeloptInt4, RefusesAnOddNumberOfRows) {
  EXPECT_FALSE(codec().layout({.bits = 4, .grid = Grid::group(8)}, 5, 16));
}

}  // namespace
}  // namespace requant
