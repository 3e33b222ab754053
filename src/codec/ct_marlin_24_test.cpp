#include <gtest/gtest.h>

#include "codec/codec.h"

namespace requant {
namespace {

const Codec& codec() { return *find_codec("ct-marlin-24"); }

WeightParts parts(std::int64_t width) {
  return {{"weight_packed", {DType::kI32, {16, width}, {}}},
          {"scale_packed", {DType::kF16, {4, 256}, {}}},
          {"meta", {DType::kI16, {16, 512}, {}}}};
}

TEST(CtMarlin24, KnowsTheLayoutAndDoesNotReadIt) {
  const auto scheme = codec().scheme_of(parts(512), {});
  ASSERT_TRUE(scheme);
  EXPECT_EQ(describe(*scheme), "int4 per group 128, scale F16");
  EXPECT_EQ(codec().scheme_of(parts(1024), {})->bits, 8);
  EXPECT_FALSE(codec().scheme_of(parts(300), {}));
  EXPECT_EQ(codec().decode, nullptr);
}

}  // namespace
}  // namespace requant
