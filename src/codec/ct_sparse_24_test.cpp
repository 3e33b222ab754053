#include <gtest/gtest.h>

#include "codec/codec.h"
#include "quant/testing.h"

namespace requant {
namespace {

using testing_support::f32;
using testing_support::i8;
using testing_support::tensor_of;
using testing_support::u8;
using testing_support::values_of;

const Codec& codec() { return *find_codec("ct-sparse-24"); }

// [0 1 0 2 | 3 4 0 0] and [0 0 5 6 | 7 0 0 8].
WeightParts int8_parts() {
  return {{"compressed", i8({2, 4}, {1, 2, 3, 4, 5, 6, 7, 8})},
          {"bitmask", u8({2, 1}, {0x3A, 0x9C})},
          {"shape", tensor_of<std::int64_t>(DType::kI64, {2, 1}, {2, 8})},
          {"weight_scale", f32({2, 1}, {1, 2})}};
}

TEST(CtSparse24, PutsTheKeptValuesWhereTheirBitsAre) {
  const WeightParts parts = int8_parts();
  const auto scheme = codec().scheme_of(parts, {.grid = Grid::channel()});
  ASSERT_TRUE(scheme);
  EXPECT_EQ(describe(*scheme), "int8 per channel, scale F32");
  const auto weight = codec().decode(parts, *scheme);
  ASSERT_TRUE(weight) << weight.error().message();
  EXPECT_EQ(values_of(*weight), (std::vector<float>{0, 1, 0, 2, 3, 4, 0, 0,  //
                                                    0, 0, 10, 12, 14, 0, 0, 16}));
}

TEST(CtSparse24, ReadsWeightsThatAreNotQuantised) {
  const WeightParts parts = {{"compressed", f32({1, 2}, {0.5F, -3})},
                             {"bitmask", u8({1, 1}, {0x06})},
                             {"shape", tensor_of<std::int64_t>(DType::kI64, {2, 1}, {1, 4})}};
  const auto scheme = codec().scheme_of(parts, {});
  ASSERT_TRUE(scheme);
  EXPECT_EQ(*scheme, Scheme::dense(DType::kF32));
  const auto weight = codec().decode(parts, *scheme);
  ASSERT_TRUE(weight) << weight.error().message();
  EXPECT_EQ(values_of(*weight), (std::vector<float>{0, 0.5F, -3, 0}));
}

TEST(CtSparse24, HoldsTheMaskToTwoOfFour) {
  WeightParts parts = int8_parts();
  const Scheme scheme = *codec().scheme_of(parts, {});
  parts["bitmask"] = u8({2, 1}, {0x3B, 0x9C});
  const auto weight = codec().decode(parts, scheme);
  ASSERT_FALSE(weight);
  EXPECT_EQ(weight.error().message(), "'bitmask' keeps 3 of four values");
}

TEST(CtSparse24, RefusesCutAndMissingTensors) {
  const WeightParts whole = int8_parts();
  const Scheme scheme = *codec().scheme_of(whole, {});
  for (const auto& [name, tensor] : whole) {
    WeightParts parts = whole;
    for (std::size_t size = 0; size < tensor.bytes.size(); ++size) {
      parts[name].bytes = *Bytes::copy_of(tensor.bytes.span().first(size));
      EXPECT_FALSE(codec().decode(parts, scheme)) << name << " cut to " << size;
    }
    for (const Shape& shape :
         {Shape{}, Shape{-1, 4}, Shape{std::int64_t{1} << 62, 4}, Shape{0, 0}}) {
      parts = whole;
      parts[name].shape = shape;
      EXPECT_FALSE(codec().decode(parts, scheme)) << name << to_string(shape);
      codec().scheme_of(parts, {});  // must not crash
    }
    parts.erase(name);
    EXPECT_FALSE(codec().decode(parts, scheme)) << "without " << name;
  }
}

}  // namespace
}  // namespace requant
