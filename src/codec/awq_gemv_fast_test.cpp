#include <gtest/gtest.h>

#include "codec/codec.h"
#include "codec/testing.h"
#include "quant/testing.h"
#include "support/support.h"

namespace requant {
namespace {

using testing_support::tensor_in;

const Codec& codec() { return *find_codec("awq-gemv-fast"); }

Scheme scheme_with(const Grid& grid) {
  return {.bits = 4, .grid = grid, .scale_dtype = DType::kF16, .offset = Offset::kMinimum};
}

TEST(AwqGemvFast, RoundTrips) {
  testing_support::expect_round_trip(codec(), scheme_with(Grid::group(32)), 8, 192);
  testing_support::expect_round_trip(codec(), scheme_with(Grid::group(64)), 4, 128);
  testing_support::expect_round_trip(codec(), scheme_with(Grid::group(128)), 12, 256);
  testing_support::expect_round_trip(codec(), scheme_with(Grid::channel()), 4, 64);
  testing_support::expect_refusal_when_cut(codec(), scheme_with(Grid::group(64)), 4, 64);
}

TEST(AwqGemvFast, ReadsWhatAutoAwqWrote) {
  const Json file = testing_support::vectors("awq");
  const Json& entry = *file.find("gemv_fast");
  const WeightParts parts = {{"qweight", tensor_in(entry, "qweight")},
                             {"qzeros", tensor_in(entry, "qzeros")},
                             {"scales", tensor_in(entry, "scales")}};
  const auto scheme = codec().scheme_of(parts, scheme_with(Grid::group(64)));
  ASSERT_TRUE(scheme);
  EXPECT_EQ(describe(*scheme), "int4 per group 64, scale F16, minima");
  const auto weight = codec().decode(parts, *scheme);
  ASSERT_TRUE(weight) << weight.error().message();
  const auto codes = weight->codes.as<std::uint8_t>();
  const auto& expected = entry.find("codes_NK")->items();
  ASSERT_EQ(codes.size(), expected.size());
  for (std::size_t i = 0; i < codes.size(); ++i) ASSERT_EQ(codes[i], *expected[i].as_int()) << i;
  // Each minimum is the scale times the zero point, rounded to F16.
  const auto& zeros = entry.find("zeros_NG")->items();
  for (std::size_t i = 0; i < zeros.size(); ++i) {
    const auto at = static_cast<std::int64_t>(i);
    const double exact =
        -element_as_double(weight->scales, at) * static_cast<double>(*zeros[i].as_int());
    EXPECT_NEAR(element_as_double(weight->minima, at), exact, 1e-3 * -exact) << i;
  }
  const auto back = codec().encode(*weight);
  ASSERT_TRUE(back);
  for (const auto& [name, tensor] : parts) EXPECT_TRUE(same_bits(back->at(name), tensor)) << name;
}

}  // namespace
}  // namespace requant
