#include <gtest/gtest.h>

#include "codec/codec.h"
#include "codec/testing.h"
#include "quant/testing.h"

namespace requant {
namespace {

using testing_support::expected_values;
using testing_support::tensor_in;
using testing_support::u8;
using testing_support::values_of;

const Codec& codec() { return *find_codec("ct-mxfp4"); }

Scheme mxfp4(const Activations& activations = {}) {
  return {.element = Element::kE2M1,
          .bits = 4,
          .grid = Grid::group(32),
          .scale_dtype = DType::kF8E8M0,
          .activations = activations};
}

TEST(CtMxfp4, RoundTrips) {
  const Activations groups = {.kind = ActivationKind::kDynamic,
                              .element = Element::kE2M1,
                              .bits = 4,
                              .granularity = Granularity::kGroup,
                              .group = 32};
  for (const Activations& activations : {Activations::none(), groups}) {
    testing_support::expect_round_trip(codec(), mxfp4(activations), 3, 64);
    testing_support::expect_refusal_when_cut(codec(), mxfp4(activations), 3, 64);
  }
}

TEST(CtMxfp4, ReadsWhatTheLibraryWrote) {
  const Json file = testing_support::vectors("compressed_tensors");
  const Json& entry = *file.find("mxfp4");
  const WeightParts parts = {{"weight_packed", tensor_in(entry, "weight_packed")},
                             {"weight_scale", tensor_in(entry, "weight_scale")}};
  const auto scheme = codec().scheme_of(parts, {});
  ASSERT_TRUE(scheme);
  EXPECT_EQ(describe(*scheme), "e2m1 per group 32, scale F8_E8M0");
  const auto weight = codec().decode(parts, *scheme);
  ASSERT_TRUE(weight) << weight.error().message();
  EXPECT_EQ(values_of(*weight), expected_values(entry));
  const auto back = codec().encode(*weight);
  ASSERT_TRUE(back);
  for (const auto& [name, tensor] : parts) EXPECT_TRUE(same_bits(back->at(name), tensor)) << name;
}

TEST(CtMxfp4, KeepsTheSmallestScaleAndMinusZero) {
  std::vector<std::uint8_t> bytes(16, 0);
  bytes[0] = 0x82;  // 1, then -0
  const WeightParts parts = {{"weight_packed", u8({1, 16}, bytes)},
                             {"weight_scale", u8({1, 1}, {0})}};
  const auto weight = codec().decode(parts, mxfp4());
  ASSERT_TRUE(weight);
  EXPECT_EQ(values_of(*weight)[0], 0x1p-127F);
  EXPECT_TRUE(same_bits(codec().encode(*weight)->at("weight_packed"), parts.at("weight_packed")));
}

TEST(CtMxfp4, LeavesTheOtherPackedFloatsAlone) {
  const auto parts = [](std::int64_t width, DType scale) {
    return WeightParts{{"weight_packed", {DType::kU8, {4, width}, {}}},
                       {"weight_scale", {scale, {4, 2}, {}}}};
  };
  EXPECT_TRUE(codec().scheme_of(parts(32, DType::kU8), {}));
  EXPECT_FALSE(codec().scheme_of(parts(48, DType::kU8), {})) << "mxfp6";
  EXPECT_FALSE(codec().scheme_of(parts(16, DType::kF8E4M3), {})) << "nvfp4";
  EXPECT_TRUE(find_codec("ct-mxfp6")->scheme_of(parts(48, DType::kU8), {}));
  EXPECT_FALSE(find_codec("ct-mxfp6")->scheme_of(parts(32, DType::kU8), {}));
}

}  // namespace
}  // namespace requant
