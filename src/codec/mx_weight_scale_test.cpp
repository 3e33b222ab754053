#include <gtest/gtest.h>

#include "codec/codec.h"
#include "codec/testing.h"
#include "quant/testing.h"

namespace requant {
namespace {

using testing_support::tensor_in;

const Codec& codec() { return *find_codec("mx-weight-scale"); }

Scheme mx(Element element) {
  return {.element = element,
          .bits = info(element).bits,
          .grid = Grid::group(32),
          .scale_dtype = DType::kF8E8M0};
}

TEST(MxWeightScale, RoundTrips) {
  for (const Element element : {Element::kE2M1, Element::kE2M3, Element::kE3M2, Element::kE4M3Fn}) {
    testing_support::expect_round_trip(codec(), mx(element), 3, 64);
    testing_support::expect_refusal_when_cut(codec(), mx(element), 3, 64);
  }
}

TEST(MxWeightScale, ReadsWhatModelOptWrote) {
  const Json file = testing_support::vectors("modelopt");
  for (const char* name : {"mxfp4", "mxfp8"}) {
    const Json& entry = *file.find(name);
    const WeightParts parts = {{"weight", tensor_in(entry, "weight")},
                               {"weight_scale", tensor_in(entry, "weight_scale")}};
    const auto scheme = codec().scheme_of(parts, {});
    ASSERT_TRUE(scheme) << name;
    const auto weight = codec().decode(parts, *scheme);
    ASSERT_TRUE(weight) << weight.error().message();
    EXPECT_EQ(testing_support::values_of(*weight), testing_support::expected_values(entry)) << name;
    const auto back = codec().encode(*weight);
    ASSERT_TRUE(back);
    for (const auto& [part, tensor] : parts) EXPECT_TRUE(same_bits(back->at(part), tensor)) << part;
  }
}

// ModelOpt writes zeros as code 8, which is -0, under the smallest scale there is.
TEST(MxWeightScale, ReadsABlockOfNegativeZeros) {
  const Json file = testing_support::vectors("modelopt");
  const Json& entry = *file.find("mxfp4_all_zero_block");
  const WeightParts parts = {{"weight", testing_support::tensor_in(*entry.find("weight"))},
                             {"weight_scale", testing_support::tensor_in(*entry.find("scale"))}};
  const auto weight = codec().decode(parts, *codec().scheme_of(parts, {}));
  ASSERT_TRUE(weight) << weight.error().message();
  for (const float value : testing_support::values_of(*weight)) EXPECT_EQ(value, 0);
}

TEST(MxWeightScale, NeedsTheConfigsWordForSixBits) {
  const WeightParts parts = {{"weight", {DType::kU8, {4, 48}, {}}},
                             {"weight_scale", {DType::kU8, {4, 2}, {}}}};
  EXPECT_FALSE(codec().scheme_of(parts, {}));
  const auto scheme = codec().scheme_of(parts, {.element = Element::kE3M2});
  ASSERT_TRUE(scheme);
  EXPECT_EQ(describe(*scheme), "e3m2 per group 32, scale F8_E8M0");
}

}  // namespace
}  // namespace requant
