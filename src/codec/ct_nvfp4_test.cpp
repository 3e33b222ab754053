#include <gtest/gtest.h>

#include <cmath>

#include "codec/codec.h"
#include "codec/testing.h"
#include "kernel/dense.h"
#include "quant/testing.h"

namespace requant {
namespace {

using testing_support::expected_values;
using testing_support::tensor_in;
using testing_support::values_of;

const Codec& codec() { return *find_codec("ct-nvfp4"); }

Activations local() {
  return {.kind = ActivationKind::kDynamic,
          .element = Element::kE2M1,
          .bits = 4,
          .granularity = Granularity::kGroup,
          .group = 16};
}

Scheme nvfp4(const Activations& activations = {}) {
  return {.element = Element::kE2M1,
          .bits = 4,
          .grid = Grid::group(16),
          .scale_dtype = DType::kF8E4M3,
          .outer = OuterScale{.dtype = DType::kF32, .orientation = Orientation::kDivisor},
          .activations = activations};
}

TEST(CtNvfp4, RoundTrips) {
  Activations divided = local();
  divided.orientation = Orientation::kDivisor;
  for (const Activations& activations :
       {Activations::none(), divided, Activations::dynamic_token(Element::kE4M3Fn)}) {
    testing_support::expect_round_trip(codec(), nvfp4(activations), 3, 32);
    testing_support::expect_refusal_when_cut(codec(), nvfp4(activations), 3, 32);
  }
}

TEST(CtNvfp4, ReadsWhatTheLibraryWrote) {
  const Json file = testing_support::vectors("compressed_tensors");
  const Json& entry = *file.find("nvfp4");
  WeightParts parts;
  for (const auto& [name, tensor] : entry.find("tensors")->members()) {
    parts.emplace(name, tensor_in(tensor));
  }
  const auto scheme = codec().scheme_of(parts, {});
  ASSERT_TRUE(scheme);
  EXPECT_EQ(describe(*scheme),
            "e2m1 per group 16, scale F8_E4M3, outer scale F32 per tensor (divisor)");
  const auto weight = codec().decode(parts, *scheme);
  ASSERT_TRUE(weight) << weight.error().message();
  // The library divides the scales in F32, then multiplies in BF16: two roundings.
  const std::vector<float> values = values_of(*weight);
  const std::vector<float> expected = expected_values(entry);
  ASSERT_EQ(values.size(), expected.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_NEAR(values[i], expected[i], 0x1p-7 * std::fabs(expected[i])) << i;
  }
  const auto back = codec().encode(*weight);
  ASSERT_TRUE(back);
  for (const auto& [name, tensor] : parts) EXPECT_TRUE(same_bits(back->at(name), tensor)) << name;
}

TEST(CtNvfp4, DividesByTheGlobalScale) {
  const Tensor two = testing_support::tensor_of<std::uint8_t>(DType::kF8E4M3, {1, 1}, {0x40});
  const WeightParts parts = {
      {"weight_packed", testing_support::u8({1, 8}, {0x21, 0x43, 0x65, 0x87, 0, 0, 0, 0xF})},
      {"weight_scale", two},
      {"weight_global_scale", testing_support::f32({1}, {4})}};
  const auto weight = codec().decode(parts, nvfp4());
  ASSERT_TRUE(weight) << weight.error().message();
  const std::vector<float> values = values_of(*weight);
  EXPECT_EQ(std::vector<float>(values.begin(), values.begin() + 8),
            (std::vector<float>{0.25F, 0.5F, 0.75F, 1, 1.5F, 2, 3, -0.0F}));
  EXPECT_EQ(values[14], -3);
}

TEST(CtNvfp4, CallsTheScaleOfActivationsADivisor) {
  const WeightParts parts = {{"weight_packed", {DType::kU8, {4, 16}, {}}},
                             {"weight_scale", {DType::kF8E4M3, {4, 2}, {}}},
                             {"weight_global_scale", {DType::kF32, {1}, {}}}};
  const auto scheme = codec().scheme_of(parts, {.activations = local()});
  ASSERT_TRUE(scheme);
  EXPECT_EQ(scheme->activations.orientation, Orientation::kDivisor);
  EXPECT_FALSE(codec().holds(nvfp4(local()))) << "a multiplier";
}

}  // namespace
}  // namespace requant
