#include <gtest/gtest.h>

#include "codec/codec.h"
#include "codec/testing.h"
#include "quant/testing.h"

namespace requant {
namespace {

const Codec& codec() { return *find_codec("awq-marlin"); }

TEST(AwqMarlin, RoundTrips) {
  const Scheme scheme = {.bits = 4, .grid = Grid::group(128), .scale_dtype = DType::kF16};
  testing_support::expect_round_trip(codec(), scheme, 64, 256);
  const Scheme channel = {.bits = 4, .grid = Grid::channel(), .scale_dtype = DType::kF16};
  testing_support::expect_refusal_when_cut(codec(), channel, 64, 32);
}

TEST(AwqMarlin, HoldsTheWordsOfGptqMarlinUnderOtherNames) {
  const Scheme scheme = {.bits = 4, .grid = Grid::group(128), .scale_dtype = DType::kF16};
  const auto weight = testing_support::random_weight(scheme, 64, 256);
  const auto awq = codec().encode(weight);
  const auto gptq = find_codec("gptq-marlin")->encode(weight);
  ASSERT_TRUE(awq && gptq);
  EXPECT_TRUE(same_bits(awq->at("qweight"), gptq->at("B")));
  EXPECT_TRUE(same_bits(awq->at("scales"), gptq->at("s")));
}

TEST(AwqMarlin, LeavesGemmTensorsAlone) {
  const WeightParts gemm = {{"qweight", {DType::kI32, {128, 8}, {}}},
                            {"scales", {DType::kF16, {1, 64}, {}}}};
  EXPECT_FALSE(codec().scheme_of(gemm, {}));
}

}  // namespace
}  // namespace requant
