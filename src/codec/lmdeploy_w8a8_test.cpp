#include <gtest/gtest.h>

#include "codec/codec.h"
#include "codec/testing.h"
#include "quant/testing.h"

namespace requant {
namespace {

using testing_support::expected_values;
using testing_support::f32;
using testing_support::i8;
using testing_support::tensor_in;
using testing_support::tensor_of;
using testing_support::values_of;

const Codec& codec() { return *find_codec("lmdeploy-w8a8"); }

Scheme scheme_for(Element element) {
  return {.element = element,
          .grid = Grid::channel(),
          .activations = Activations::dynamic_token(element)};
}

TEST(LmdeployW8a8, ReadsWhatSmoothQuantWrote) {
  const Json file = testing_support::vectors("lmdeploy_smooth_quant");
  const std::pair<const char*, Element> kCases[] = {
      {"smooth_quant_int8", Element::kInt},
      {"smooth_quant_float8_e4m3fn", Element::kE4M3Fn},
      {"smooth_quant_float8_e5m2", Element::kE5M2}};
  for (const auto& [name, element] : kCases) {
    const Json& entry = *file.find(name);
    const WeightParts parts = {{"weight", tensor_in(entry, "weight")},
                               {"scale", tensor_in(entry, "scale")}};
    const auto scheme = codec().scheme_of(parts, {});
    ASSERT_TRUE(scheme) << name;
    EXPECT_EQ(*scheme, scheme_for(element)) << name;
    const auto weight = codec().decode(parts, *scheme);
    ASSERT_TRUE(weight) << weight.error().message();
    EXPECT_EQ(values_of(*weight), expected_values(entry)) << name;
    const auto back = codec().encode(*weight);
    ASSERT_TRUE(back);
    EXPECT_TRUE(same_bits(back->at("weight"), parts.at("weight"))) << name;
    EXPECT_TRUE(same_bits(back->at("scale"), parts.at("scale"))) << name;
  }
}

TEST(LmdeployW8a8, SharesTheBytesInsteadOfCopying) {
  const Tensor weight = i8({1, 2}, {1, 2});
  const auto decoded =
      codec().decode({{"weight", weight}, {"scale", f32({1, 1}, {1})}}, scheme_for(Element::kInt));
  ASSERT_TRUE(decoded);
  EXPECT_TRUE(decoded->codes.bytes.same_memory(weight.bytes));
}

TEST(LmdeployW8a8, RoundTrips) {
  for (const Element element : {Element::kInt, Element::kE4M3Fn, Element::kE5M2}) {
    testing_support::expect_round_trip(codec(), scheme_for(element), 6, 20);
    testing_support::expect_refusal_when_cut(codec(), scheme_for(element), 3, 8);
  }
}

TEST(LmdeployW8a8, NamesWhatIsWrong) {
  const Tensor weight = i8({8, 1}, {1, 2, 3, 4, 5, 6, 7, 8});
  const Tensor halves = tensor_of<std::uint16_t>(DType::kF16, {8}, {1, 2, 3, 4, 5, 6, 7, 8});
  const Scheme scheme = scheme_for(Element::kInt);
  const auto message = [&](const WeightParts& parts) {
    return codec().decode(parts, scheme).error().message();
  };
  EXPECT_EQ(message({{"weight", weight}, {"scale", halves}}),
            "'scale' is F16 [8], expected F32 [8, 1]");
  EXPECT_EQ(message({{"weight", weight}}), "no tensor 'scale'");
  EXPECT_EQ(message({{"scale", halves}}), "no tensor 'weight'");
  EXPECT_EQ(message({{"weight", halves}, {"scale", halves}}),
            "'weight' is F16 [8], expected I8 [out, in]");
}

TEST(LmdeployW8a8, RefusesWhatItCannotHold) {
  Scheme scheme = scheme_for(Element::kInt);
  scheme.activations = Activations::none();
  const auto parts = codec().encode(testing_support::random_weight(scheme, 2, 4));
  ASSERT_FALSE(parts);
  EXPECT_EQ(parts.error().code(), ErrorCode::kRefused);
  EXPECT_EQ(parts.error().message(), "lmdeploy-w8a8 does not hold int8 per channel, scale F32");
}

}  // namespace
}  // namespace requant
