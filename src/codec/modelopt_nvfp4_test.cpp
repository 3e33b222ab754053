#include <gtest/gtest.h>

#include <cmath>

#include "codec/codec.h"
#include "codec/testing.h"
#include "quant/testing.h"

namespace requant {
namespace {

using testing_support::f32;
using testing_support::tensor_in;

const Codec& codec() { return *find_codec("modelopt-nvfp4"); }

Scheme nvfp4() {
  return {.element = Element::kE2M1,
          .bits = 4,
          .grid = Grid::group(16),
          .scale_dtype = DType::kF8E4M3,
          .outer = OuterScale{}};
}

TEST(ModeloptNvfp4, RoundTrips) {
  Scheme multiplied = nvfp4();
  multiplied.input_multiplier = true;
  multiplied.activations = Activations::static_tensor(Element::kE4M3Fn);
  for (const Scheme& scheme : {nvfp4(), multiplied}) {
    testing_support::expect_round_trip(codec(), scheme, 3, 32);
    testing_support::expect_refusal_when_cut(codec(), scheme, 3, 32);
  }
}

WeightParts library_parts(const Json& file) {
  const Json& entry = *file.find("nvfp4");
  return {{"weight", tensor_in(entry, "weight")},
          {"weight_scale", tensor_in(entry, "weight_scale")},
          {"weight_scale_2", tensor_in(entry, "weight_scale_2")}};
}

TEST(ModeloptNvfp4, ReadsWhatTheLibraryWrote) {
  const Json file = testing_support::vectors("modelopt");
  const WeightParts parts = library_parts(file);
  const auto scheme = codec().scheme_of(parts, {});
  ASSERT_TRUE(scheme);
  EXPECT_EQ(describe(*scheme), "e2m1 per group 16, scale F8_E4M3, outer scale F32 per tensor");
  const auto weight = codec().decode(parts, *scheme);
  ASSERT_TRUE(weight) << weight.error().message();
  const auto values = testing_support::values_of(*weight);
  const auto expected = testing_support::expected_values(*file.find("nvfp4"));
  ASSERT_EQ(values.size(), expected.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    // The library rounds scale x second scale before it multiplies the code: one step at most.
    EXPECT_NEAR(values[i], expected[i], 0x1p-23F * std::abs(expected[i])) << "at " << i;
  }
  const auto back = codec().encode(*weight);
  ASSERT_TRUE(back);
  for (const auto& [name, tensor] : parts) EXPECT_TRUE(same_bits(back->at(name), tensor)) << name;
}

TEST(ModeloptNvfp4, KeepsTheStaticScaleOfActivationsThatAreDynamicPerGroup) {
  WeightParts parts = library_parts(testing_support::vectors("modelopt"));
  parts["input_scale"] = f32({}, {0.5F});
  const auto scheme = codec().scheme_of(parts, {});
  ASSERT_TRUE(scheme);
  EXPECT_EQ(describe(scheme->activations), "e2m1 dynamic per group 16");
  auto weight = codec().decode(parts, *scheme);
  ASSERT_TRUE(weight) << weight.error().message();
  EXPECT_EQ(weight->input_scale.as<float>()[0], 0.5F);
  EXPECT_TRUE(same_bits(codec().encode(*weight)->at("input_scale"), parts["input_scale"]));
  weight->input_scale = {};
  EXPECT_FALSE(codec().encode(*weight));
}

}  // namespace
}  // namespace requant
