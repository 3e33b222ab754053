#include <gtest/gtest.h>

#include "codec/codec.h"
#include "codec/testing.h"
#include "quant/testing.h"
#include "support/support.h"

namespace requant {
namespace {

using testing_support::tensor_in;

const Codec& codec() { return *find_codec("awq-gemv"); }

Scheme scheme_with(const Grid& grid) {
  return {.bits = 4, .grid = grid, .scale_dtype = DType::kF16, .offset = Offset::kZero};
}

TEST(AwqGemv, RoundTrips) {
  testing_support::expect_round_trip(codec(), scheme_with(Grid::group(32)), 3, 96);
  testing_support::expect_round_trip(codec(), scheme_with(Grid::group(64)), 8, 64 * 20);
  testing_support::expect_round_trip(codec(), scheme_with(Grid::group(128)), 5, 128 * 9);
  testing_support::expect_round_trip(codec(), scheme_with(Grid::channel()), 4, 40);
  testing_support::expect_refusal_when_cut(codec(), scheme_with(Grid::group(32)), 2, 64);
}

TEST(AwqGemv, ReadsWhatAutoAwqWrote) {
  const Json file = testing_support::vectors("awq");
  const Json& entry = *file.find("gemv");
  const Json& gemm = *file.find("gemm");  // the same weight
  const WeightParts parts = {{"qweight", tensor_in(entry, "qweight")},
                             {"qzeros", tensor_in(entry, "qzeros")},
                             {"scales", tensor_in(entry, "scales")}};
  const auto scheme = codec().scheme_of(parts, scheme_with(Grid::group(32)));
  ASSERT_TRUE(scheme);
  const auto weight = codec().decode(parts, *scheme);
  ASSERT_TRUE(weight) << weight.error().message();
  const WeightParts gemm_parts = {{"qweight", tensor_in(gemm, "qweight")},
                                  {"qzeros", tensor_in(gemm, "qzeros")},
                                  {"scales", tensor_in(gemm, "scales")}};
  const Codec& other = *find_codec("awq-gemm");
  const auto same = other.decode(gemm_parts, *other.scheme_of(gemm_parts, {}));
  ASSERT_TRUE(same);
  const auto difference = compare(*weight, *same);
  ASSERT_TRUE(difference);
  EXPECT_TRUE(difference->equal) << difference->first;
  const auto back = codec().encode(*weight);
  ASSERT_TRUE(back);
  for (const auto& [name, tensor] : parts) EXPECT_TRUE(same_bits(back->at(name), tensor)) << name;
}

TEST(AwqGemv, NeedsADeclaredGroup) {
  const WeightParts parts = {{"qweight", {DType::kI32, {16, 32}, {}}},
                             {"qzeros", {DType::kI32, {16, 1}, {}}},
                             {"scales", {DType::kF16, {16, 8}, {}}}};
  EXPECT_FALSE(codec().scheme_of(parts, {}));
  EXPECT_TRUE(codec().scheme_of(parts, scheme_with(Grid::group(128))));
  EXPECT_FALSE(codec().scheme_of(parts, scheme_with(Grid::group(32))));
}

}  // namespace
}  // namespace requant
