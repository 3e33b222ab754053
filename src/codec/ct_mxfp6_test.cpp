#include <gtest/gtest.h>

#include <cstring>

#include "codec/codec.h"
#include "codec/testing.h"
#include "quant/testing.h"
#include "support/support.h"

namespace requant {
namespace {

using testing_support::tensor_in;
using testing_support::u8;
using testing_support::values_of;

const Codec& codec() { return *find_codec("ct-mxfp6"); }

Scheme mxfp6() {
  Scheme scheme;
  scheme.element = Element::kE2M3;
  scheme.bits = 6;
  scheme.grid = Grid::group(32);
  scheme.scale_dtype = DType::kF8E8M0;
  return scheme;
}

TEST(CtMxfp6, RoundTrips) {
  testing_support::expect_round_trip(codec(), mxfp6(), 3, 64);
  testing_support::expect_refusal_when_cut(codec(), mxfp6(), 3, 64);
}

TEST(CtMxfp6, ReadsWhatTheLibraryWrote) {
  const Json file = testing_support::vectors("ct_mxfp6");
  const WeightParts parts = {{"weight_packed", tensor_in(*file.find("weight_packed"))},
                             {"weight_scale", u8({2, 1}, {127, 127})}};
  const auto scheme = codec().scheme_of(parts, {});
  ASSERT_TRUE(scheme);
  EXPECT_EQ(describe(*scheme), "e2m3 per group 32, scale F8_E8M0");
  const auto weight = codec().decode(parts, *scheme);
  ASSERT_TRUE(weight) << weight.error().message();
  const std::string bytes =
      testing_support::from_hex(*file.at({"values", "f32_hex_le"})->as_string());
  std::vector<float> expected(bytes.size() / sizeof(float));
  std::memcpy(expected.data(), bytes.data(), bytes.size());
  EXPECT_EQ(values_of(*weight), expected);
  const auto back = codec().encode(*weight);
  ASSERT_TRUE(back);
  for (const auto& [name, tensor] : parts) EXPECT_TRUE(same_bits(back->at(name), tensor)) << name;
}

}  // namespace
}  // namespace requant
