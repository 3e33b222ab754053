#include <gtest/gtest.h>

#include "codec/codec.h"
#include "codec/testing.h"
#include "quant/testing.h"

namespace requant {
namespace {

using testing_support::f32;
using testing_support::tensor_in;
using testing_support::tensor_of;

// 8 x 8 codes with one scale of 1 for each output and, for uint4, zero points of 0.
WeightParts library_parts(const Json& entry, bool is_unsigned) {
  WeightParts parts = {{"weight", tensor_in(entry, "weight")},
                       {"weight_scale", f32({1, 8}, std::vector<float>(8, 1))}};
  if (is_unsigned) parts["weight_zero_point"] = tensor_of<std::uint32_t>(DType::kI32, {1, 1}, {0});
  return parts;
}

TEST(QuarkInt4, ReadsBothSignsInBothOrders) {
  const Json file = testing_support::vectors("quark");
  for (const bool is_unsigned : {false, true}) {
    for (const bool reorder : {true, false}) {
      const std::string name = std::string("quark_") + (is_unsigned ? "uint4" : "int4") +
                               "_per_group_reorder_" + (reorder ? "True" : "False");
      const Codec& codec = *find_codec(reorder ? "quark-int4" : "quark-int4-plain");
      const Json& entry = *file.find(name);
      const WeightParts parts = library_parts(entry, is_unsigned);
      const auto scheme =
          codec.scheme_of(parts, {.offset = is_unsigned ? Offset::kZero : Offset::kNone});
      ASSERT_TRUE(scheme) << name;
      const auto weight = codec.decode(parts, *scheme);
      ASSERT_TRUE(weight) << weight.error().message();
      const auto values = testing_support::values_of(*weight);
      const auto& codes = entry.find("codes_NK")->items();
      ASSERT_EQ(values.size(), codes.size());
      for (std::size_t i = 0; i < values.size(); ++i) {
        EXPECT_EQ(values[i], static_cast<float>(*codes[i].as_int())) << name << " at " << i;
      }
    }
  }
}

TEST(QuarkInt4, WritesTheWordsOfTheLibraryInBothOrders) {
  const Json file = testing_support::vectors("quark");
  for (const bool is_unsigned : {false, true}) {
    for (const bool reorder : {true, false}) {
      const std::string name = std::string("quark_") + (is_unsigned ? "uint4" : "int4") +
                               "_per_group_reorder_" + (reorder ? "True" : "False");
      const Codec& codec = *find_codec(reorder ? "quark-int4" : "quark-int4-plain");
      const WeightParts parts = library_parts(*file.find(name), is_unsigned);
      const auto weight = codec.decode(
          parts, *codec.scheme_of(parts, {.offset = is_unsigned ? Offset::kZero : Offset::kNone}));
      ASSERT_TRUE(weight) << weight.error().message();
      const auto written = codec.encode(*weight);
      ASSERT_TRUE(written) << written.error().message();
      for (const auto& [suffix, tensor] : parts) {
        EXPECT_TRUE(same_bits(written->at(suffix), tensor)) << name << " " << suffix;
      }
      for (const std::uint32_t word : written->at("weight_zero_point").as<std::uint32_t>()) {
        EXPECT_EQ(word, 0U) << name;
      }
    }
  }
}

TEST(QuarkInt4, ComesBackFromBothCodecs) {
  Scheme scheme{.bits = 4, .grid = Grid::group(32), .scale_dtype = DType::kBF16};
  for (const Offset offset : {Offset::kNone, Offset::kZero}) {
    scheme.offset = offset;
    for (const char* name : {"quark-int4", "quark-int4-plain"}) {
      testing_support::expect_round_trip(*find_codec(name), scheme, 16, 96);
    }
  }
  EXPECT_FALSE(find_codec("quark-int4")->layout(scheme, 12, 96));
  EXPECT_FALSE(find_codec("quark-int4")->layout(scheme, 16, 80));
}

TEST(QuarkInt4, HoldsSymmetricFilesToZeroPointsOfZero) {
  const Json file = testing_support::vectors("quark");
  const Codec& codec = *find_codec("quark-int4");
  WeightParts parts = library_parts(*file.find("quark_int4_per_group_reorder_True"), true);
  const auto scheme = codec.scheme_of(parts, {});
  ASSERT_TRUE(scheme);
  EXPECT_TRUE(codec.decode(parts, *scheme));
  parts["weight_zero_point"] = tensor_of<std::uint32_t>(DType::kI32, {1, 1}, {16});
  EXPECT_FALSE(codec.decode(parts, *scheme));
}

TEST(QuarkInt4, NeedsZeroPointsWhereTheSchemeHasThem) {
  const Json file = testing_support::vectors("quark");
  const WeightParts parts = library_parts(*file.find("quark_uint4_per_group_reorder_True"), false);
  EXPECT_FALSE(find_codec("quark-int4")->scheme_of(parts, {.offset = Offset::kZero}));
}

TEST(QuarkInt4, RefusesCutAndMangledTensors) {
  const Json file = testing_support::vectors("quark");
  const Codec& codec = *find_codec("quark-int4");
  const WeightParts parts = library_parts(*file.find("quark_uint4_per_group_reorder_True"), true);
  const Scheme scheme = *codec.scheme_of(parts, {.offset = Offset::kZero});
  for (const auto& [name, tensor] : parts) {
    WeightParts broken = parts;
    for (std::size_t size = 0; size < tensor.bytes.size(); ++size) {
      broken[name].bytes = *Bytes::copy_of(tensor.bytes.span().first(size));
      EXPECT_FALSE(codec.decode(broken, scheme)) << name << " cut to " << size;
    }
    for (const Shape& shape :
         {Shape{}, Shape{-1, 4}, Shape{std::int64_t{1} << 62, 4}, Shape{3, 5}}) {
      broken = parts;
      broken[name].shape = shape;
      EXPECT_FALSE(codec.decode(broken, scheme)) << name << " " << to_string(shape);
      codec.scheme_of(broken, scheme);  // must not crash
    }
    broken.erase(name);
    EXPECT_FALSE(codec.decode(broken, scheme)) << "without " << name;
  }
}

}  // namespace
}  // namespace requant
