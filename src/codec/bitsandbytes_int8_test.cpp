#include <gtest/gtest.h>

#include <cmath>

#include "codec/codec.h"
#include "quant/round_to_nearest.h"
#include "quant/testing.h"

namespace requant {
namespace {

using testing_support::tensor_in;
using testing_support::u8;

const Codec& codec() { return *find_codec("bitsandbytes-int8"); }

WeightParts library_parts(const Json& file) {
  const Json& entry = *file.find("int8");
  return {{"weight", tensor_in(entry, "weight")},
          {"SCB", tensor_in(entry, "SCB")},
          {"weight_format", tensor_in(entry, "weight_format")}};
}

TEST(BitsandbytesInt8, ReadsWhatTheLibraryWrote) {
  const Json file = testing_support::vectors("bitsandbytes");
  const WeightParts parts = library_parts(file);
  const auto scheme = codec().scheme_of(parts, {});
  ASSERT_TRUE(scheme);
  const auto weight = codec().decode(parts, *scheme);
  ASSERT_TRUE(weight) << weight.error().message();
  const auto values = testing_support::values_of(*weight);
  const auto expected = testing_support::expected_values(*file.find("int8"));
  ASSERT_EQ(values.size(), expected.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    // The library multiplies by 1 / 127, rounded, and rounds again: two steps at most.
    EXPECT_NEAR(values[i], expected[i], 0x1p-22F * std::fabs(expected[i])) << "at " << i;
  }
}

TEST(BitsandbytesInt8, WritesTheBytesThatTheLibraryWrote) {
  const WeightParts parts = library_parts(testing_support::vectors("bitsandbytes"));
  const auto weight = codec().decode(parts, *codec().scheme_of(parts, {}));
  ASSERT_TRUE(weight) << weight.error().message();
  const auto written = codec().encode(*weight);
  ASSERT_TRUE(written) << written.error().message();
  ASSERT_EQ(written->size(), parts.size());
  for (const auto& [name, tensor] : parts) {
    EXPECT_TRUE(same_bits(written->at(name), tensor)) << name;
  }
}

TEST(BitsandbytesInt8, GivesTheCodesOfTheLibrary) {
  const Json file = testing_support::vectors("bitsandbytes");
  const WeightParts parts = library_parts(file);
  std::vector<float> values;
  for (const Json& value : file.at({"int8", "input", "values_f32"})->items()) {
    values.push_back(static_cast<float>(*value.as_double()));
  }
  const auto weight =
      round_to_nearest(testing_support::f32({8, 64}, values), *codec().scheme_of(parts, {}));
  ASSERT_TRUE(weight) << weight.error().message();
  const auto written = codec().encode(*weight);
  ASSERT_TRUE(written) << written.error().message();
  for (const auto& [name, tensor] : parts) {
    EXPECT_TRUE(same_bits(written->at(name), tensor)) << name;
  }
}

TEST(BitsandbytesInt8, RowsOfZerosStayZeros) {
  const Scheme scheme =
      *codec().scheme_of(library_parts(testing_support::vectors("bitsandbytes")), {});
  const auto weight = round_to_nearest(testing_support::f32({1, 4}, {0, 0, 0, 0}), scheme);
  ASSERT_TRUE(weight) << weight.error().message();
  EXPECT_EQ(testing_support::values_of(*weight), std::vector<float>(4, 0.0F));
}

TEST(BitsandbytesInt8, RefusesTiledOrdersByName) {
  WeightParts parts = library_parts(testing_support::vectors("bitsandbytes"));
  const Scheme scheme = *codec().scheme_of(parts, {});
  parts["weight_format"] = u8({}, {2});
  const auto refused = codec().decode(parts, scheme);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(),
            "'weight_format' is 2 (col_turing), only 0 (row) can be read");
  parts["weight_format"] = u8({}, {255});
  EXPECT_FALSE(codec().decode(parts, scheme));
  parts.erase("weight_format");
  EXPECT_TRUE(codec().decode(parts, scheme));
}

TEST(BitsandbytesInt8, RefusesCutAndMangledTensors) {
  const WeightParts parts = library_parts(testing_support::vectors("bitsandbytes"));
  const Scheme scheme = *codec().scheme_of(parts, {});
  for (const auto& [name, tensor] : parts) {
    WeightParts broken = parts;
    for (std::size_t size = 0; size < tensor.bytes.size(); ++size) {
      broken[name].bytes = *Bytes::copy_of(tensor.bytes.span().first(size));
      EXPECT_FALSE(codec().decode(broken, scheme)) << name << " cut to " << size;
    }
    for (const Shape& shape : {Shape{-1, 4}, Shape{std::int64_t{1} << 62, 4}, Shape{3, 5}}) {
      broken = parts;
      broken[name].shape = shape;
      EXPECT_FALSE(codec().decode(broken, scheme)) << name << " " << to_string(shape);
      codec().scheme_of(broken, scheme);  // must not crash
    }
  }
}

}  // namespace
}  // namespace requant
