#include <gtest/gtest.h>

#include <cstdint>

#include "codec/codec.h"
#include "codec/parts.h"
#include "quant/testing.h"

namespace requant {
namespace {

using testing_support::random_weight;

const Codec& codec() { return *find_codec("modelopt-nvfp4-stack"); }

constexpr std::int64_t kExperts = 3;
constexpr std::int64_t kOutputs = 8;
constexpr std::int64_t kInputs = 48;

QuantizedWeight all_experts() {
  return random_weight({.element = Element::kE2M1,
                        .bits = 4,
                        .grid = Grid::group(16),
                        .scale_dtype = DType::kF8E4M3,
                        .outer = OuterScale{}},
                       kExperts * kOutputs, kInputs);
}

// [experts x outputs, n] as [experts, n, outputs].
Tensor stacked(const Tensor& rows) {
  const std::int64_t width = rows.shape[1];
  std::vector<std::uint8_t> out(rows.bytes.size());
  const auto from = rows.as<std::uint8_t>();
  for (std::int64_t row = 0; row < kExperts * kOutputs; ++row) {
    for (std::int64_t col = 0; col < width; ++col) {
      const std::int64_t to = (row / kOutputs * width + col) * kOutputs + row % kOutputs;
      out[static_cast<std::size_t>(to)] = from[static_cast<std::size_t>(row * width + col)];
    }
  }
  return testing_support::tensor_of(rows.dtype, {kExperts, width, kOutputs}, out);
}

WeightParts stack_of(const QuantizedWeight& weight) {
  auto parts = find_codec("modelopt-nvfp4")->encode(weight);
  EXPECT_TRUE(parts);
  (*parts)["weight"] = stacked((*parts)["weight"]);
  (*parts)["weight_scale"] = stacked((*parts)["weight_scale"]);
  return *std::move(parts);
}

TEST(ModeloptNvfp4Stack, HasTheRowsOfAllExpertsOneAfterTheOther) {
  const QuantizedWeight weight = all_experts();
  const WeightParts parts = stack_of(weight);
  const auto scheme = codec().scheme_of(parts, {});
  ASSERT_TRUE(scheme);
  EXPECT_EQ(*scheme, weight.scheme);
  const auto decoded = codec().decode(parts, *scheme);
  ASSERT_TRUE(decoded) << decoded.error().message();
  EXPECT_EQ(testing_support::values_of(*decoded), testing_support::values_of(weight));
}

TEST(ModeloptNvfp4Stack, RefusesScalesOfAnotherShape) {
  WeightParts parts = stack_of(all_experts());
  const auto scheme = codec().scheme_of(parts, {});
  ASSERT_TRUE(scheme);
  parts["weight_scale"].shape = {kExperts, kOutputs, kInputs / 16};
  EXPECT_FALSE(codec().scheme_of(parts, {}));
  EXPECT_FALSE(codec().decode(parts, *scheme));
}

}  // namespace
}  // namespace requant
