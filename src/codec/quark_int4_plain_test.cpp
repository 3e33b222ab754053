#include <gtest/gtest.h>

#include "codec/codec.h"
#include "quant/testing.h"

namespace requant {
namespace {

using testing_support::f32;
using testing_support::tensor_of;

// quark_int4_test.cpp has the library's vectors for both orders.
TEST(QuarkInt4Plain, TakesOutputsFromTheLowEnd) {
  const WeightParts parts = {
      {"weight", tensor_of<std::uint32_t>(DType::kI32, {1, 1}, {0x87654321})},
      {"weight_scale", f32({1, 8}, std::vector<float>(8, 0.5F))}};
  const auto values = [&](const char* codec) {
    return testing_support::values_of(
        *find_codec(codec)->decode(parts, *find_codec(codec)->scheme_of(parts, {})));
  };
  EXPECT_EQ(values("quark-int4-plain"), (std::vector<float>{0.5F, 1, 1.5F, 2, 2.5F, 3, 3.5F, -4}));
  EXPECT_EQ(values("quark-int4"), (std::vector<float>{0.5F, 2.5F, 1, 3, 1.5F, 3.5F, 2, -4}));
}

}  // namespace
}  // namespace requant
