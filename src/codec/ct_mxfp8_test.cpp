#include <gtest/gtest.h>

#include "codec/codec.h"
#include "codec/testing.h"
#include "kernel/dense.h"
#include "quant/testing.h"

namespace requant {
namespace {

using testing_support::expected_values;
using testing_support::tensor_in;

const Codec& codec() { return *find_codec("ct-mxfp8"); }

Scheme mxfp8() {
  Scheme scheme;
  scheme.element = Element::kE4M3Fn;
  scheme.grid = Grid::group(32);
  scheme.scale_dtype = DType::kF8E8M0;
  return scheme;
}

TEST(CtMxfp8, RoundTrips) {
  testing_support::expect_round_trip(codec(), mxfp8(), 3, 64);
  testing_support::expect_refusal_when_cut(codec(), mxfp8(), 3, 64);
}

TEST(CtMxfp8, ReadsWhatTheLibraryWrote) {
  const Json file = testing_support::vectors("compressed_tensors");
  const Json& entry = *file.find("mxfp8");
  const WeightParts parts = {{"weight", tensor_in(entry, "weight")},
                             {"weight_scale", tensor_in(entry, "weight_scale")}};
  const auto scheme = codec().scheme_of(parts, {});
  ASSERT_TRUE(scheme);
  EXPECT_EQ(describe(*scheme), "e4m3fn per group 32, scale F8_E8M0");
  const auto weight = codec().decode(parts, *scheme);
  ASSERT_TRUE(weight) << weight.error().message();
  const auto wide = to_f32(*kernel::dense_tensor(*weight, DType::kBF16));
  ASSERT_TRUE(wide);
  const auto values = wide->as<float>();
  EXPECT_EQ(std::vector<float>(values.begin(), values.end()), expected_values(entry));
  const auto back = codec().encode(*weight);
  ASSERT_TRUE(back);
  for (const auto& [name, tensor] : parts) EXPECT_TRUE(same_bits(back->at(name), tensor)) << name;
}

TEST(CtMxfp8, LeavesFloatScalesToCtQuantized) {
  const WeightParts parts = {{"weight", {DType::kF8E4M3, {4, 64}, {}}},
                             {"weight_scale", {DType::kF32, {4, 2}, {}}}};
  EXPECT_FALSE(codec().scheme_of(parts, {}));
  EXPECT_TRUE(find_codec("ct-quantized")->scheme_of(parts, {}));
}

}  // namespace
}  // namespace requant
