#include <gtest/gtest.h>

#include "codec/codec.h"
#include "quant/testing.h"

namespace requant {
namespace {

using testing_support::f32;
using testing_support::i8;

const Codec& codec() { return *find_codec("torchao-intx"); }

WeightParts parts(std::int8_t zero = 0) {
  return {{"_weight_qdata", i8({2, 4}, {1, -8, 7, 0, 2, 3, 4, 5})},
          {"_weight_scale", f32({2, 2}, {1, 2, 0.5F, 4})},
          {"_weight_zero_point", i8({2, 2}, {0, zero, 0, 0})}};
}

TEST(TorchaoIntx, ReadsGroups) {
  const auto scheme = codec().scheme_of(parts(), {.bits = 4});
  ASSERT_TRUE(scheme);
  EXPECT_EQ(describe(*scheme), "int4 per group 2, scale F32");
  const auto weight = codec().decode(parts(), *scheme);
  ASSERT_TRUE(weight) << weight.error().message();
  EXPECT_EQ(testing_support::values_of(*weight),
            (std::vector<float>{1, -8, 14, 0, 1, 1.5F, 16, 20}));
}

TEST(TorchaoIntx, UsesZeroPointsWhereTheSchemeHasThem) {
  const auto symmetric = codec().scheme_of(parts(1), {.bits = 4});
  EXPECT_FALSE(codec().decode(parts(1), *symmetric));
  const auto scheme = codec().scheme_of(parts(1), {.bits = 4, .offset = Offset::kZero});
  ASSERT_TRUE(scheme);
  const auto weight = codec().decode(parts(1), *scheme);
  ASSERT_TRUE(weight) << weight.error().message();
  EXPECT_EQ(testing_support::values_of(*weight)[2], 12);
}

TEST(TorchaoIntx, RefusesCodesBeyondTheBits) {
  const auto scheme = codec().scheme_of(parts(), {.bits = 3});
  const auto refused = codec().decode(parts(), *scheme);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(), "'_weight_qdata' holds -8, outside 3 bits");
}

TEST(TorchaoIntx, RefusesCutAndMangledTensors) {
  const Scheme scheme = *codec().scheme_of(parts(), {.bits = 4, .offset = Offset::kZero});
  for (const auto& [name, tensor] : parts()) {
    WeightParts broken = parts();
    for (std::size_t size = 0; size < tensor.bytes.size(); ++size) {
      broken[name].bytes = *Bytes::copy_of(tensor.bytes.span().first(size));
      EXPECT_FALSE(codec().decode(broken, scheme)) << name << " cut to " << size;
    }
    for (const Shape& shape :
         {Shape{}, Shape{-1, 4}, Shape{std::int64_t{1} << 62, 4}, Shape{3, 5}}) {
      broken = parts();
      broken[name].shape = shape;
      EXPECT_FALSE(codec().decode(broken, scheme)) << name << " " << to_string(shape);
      codec().scheme_of(broken, scheme);  // must not crash
    }
    broken.erase(name);
    EXPECT_FALSE(codec().decode(broken, scheme)) << "without " << name;
  }
}

}  // namespace
}  // namespace requant
