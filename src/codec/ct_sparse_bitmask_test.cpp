#include <gtest/gtest.h>

#include "codec/codec.h"
#include "quant/testing.h"

namespace requant {
namespace {

using testing_support::f32;
using testing_support::tensor_of;
using testing_support::u8;
using testing_support::values_of;

const Codec& codec() { return *find_codec("ct-sparse-bitmask"); }

// [0 1 0], [0 0 0] and [2 3 4].
WeightParts float_parts() {
  return {{"weight.compressed", f32({4}, {1, 2, 3, 4})},
          {"weight.bitmask", u8({3, 1}, {2, 0, 7})},
          {"weight.row_offsets", tensor_of<std::int64_t>(DType::kI64, {3}, {0, 1, 1})},
          {"weight.shape", tensor_of<std::int64_t>(DType::kI64, {2}, {3, 3})}};
}

TEST(CtSparseBitmask, PutsTheKeptValuesWhereTheirBitsAre) {
  const WeightParts parts = float_parts();
  const auto scheme = codec().scheme_of(parts, {});
  ASSERT_TRUE(scheme);
  EXPECT_EQ(*scheme, Scheme::dense(DType::kF32));
  const auto weight = codec().decode(parts, *scheme);
  ASSERT_TRUE(weight) << weight.error().message();
  EXPECT_EQ(values_of(*weight), (std::vector<float>{0, 1, 0, 0, 0, 0, 2, 3, 4}));
}

TEST(CtSparseBitmask, ReadsQuantisedWeights) {
  WeightParts parts = float_parts();
  parts["weight.compressed"] = testing_support::i8({4}, {1, 2, 3, 4});
  parts["weight_scale"] = f32({3, 1}, {1, 1, 0.5F});
  const auto scheme = codec().scheme_of(parts, {.grid = Grid::channel()});
  ASSERT_TRUE(scheme);
  const auto weight = codec().decode(parts, *scheme);
  ASSERT_TRUE(weight) << weight.error().message();
  EXPECT_EQ(values_of(*weight), (std::vector<float>{0, 1, 0, 0, 0, 0, 1, 1.5F, 2}));
}

TEST(CtSparseBitmask, RefusesMasksThatDoNotFit) {
  const Scheme scheme = Scheme::dense(DType::kF32);
  WeightParts parts = float_parts();
  parts["weight.bitmask"] = u8({3, 1}, {2, 0, 3});
  EXPECT_FALSE(codec().decode(parts, scheme)) << "a value is left over";
  parts["weight.bitmask"] = u8({3, 1}, {2, 0, 13});
  EXPECT_FALSE(codec().decode(parts, scheme)) << "a bit beyond the columns";
  parts = float_parts();
  parts["weight.row_offsets"] = tensor_of<std::int64_t>(DType::kI64, {3}, {0, 1, 2});
  const auto weight = codec().decode(parts, scheme);
  ASSERT_FALSE(weight);
  EXPECT_EQ(weight.error().message(), "'weight.row_offsets' has 2 for row 2, expected 1");
}

TEST(CtSparseBitmask, RefusesCutAndMissingTensors) {
  const WeightParts whole = float_parts();
  const Scheme scheme = *codec().scheme_of(whole, {});
  for (const auto& [name, tensor] : whole) {
    WeightParts parts = whole;
    for (std::size_t size = 0; size < tensor.bytes.size(); ++size) {
      parts[name].bytes = *Bytes::copy_of(tensor.bytes.span().first(size));
      EXPECT_FALSE(codec().decode(parts, scheme)) << name << " cut to " << size;
      codec().scheme_of(parts, {});  // must not crash
    }
    for (const Shape& shape :
         {Shape{}, Shape{-1, 4}, Shape{std::int64_t{1} << 62, 4}, Shape{0, 0}}) {
      parts = whole;
      parts[name].shape = shape;
      EXPECT_FALSE(codec().decode(parts, scheme)) << name << to_string(shape);
      codec().scheme_of(parts, {});
    }
    parts.erase(name);
    EXPECT_FALSE(codec().decode(parts, scheme)) << "without " << name;
  }
}

}  // namespace
}  // namespace requant
