#include <gtest/gtest.h>

#include <set>

#include "codec/codec.h"

namespace requant {
namespace {

TEST(Codecs, AreFoundByTheirNames) {
  std::set<std::string_view> names;
  for (const Codec* codec : codecs()) {
    EXPECT_EQ(find_codec(codec->name), codec);
    EXPECT_TRUE(names.insert(codec->name).second) << codec->name;
  }
  EXPECT_EQ(find_codec("no such codec"), nullptr);
}

TEST(Codecs, SayWhatTheyAreAndWhereTheyAreDefined) {
  for (const Codec* codec : codecs()) {
    EXPECT_FALSE(codec->long_name.empty()) << codec->name;
    EXPECT_FALSE(codec->source.empty()) << codec->name;
    EXPECT_NE(codec->holds, nullptr) << codec->name;
    EXPECT_NE(codec->scheme_of, nullptr) << codec->name;
    EXPECT_EQ(codec->layout == nullptr, codec->encode == nullptr) << codec->name;
  }
}

TEST(Codecs, RecogniseNothingInNoTensors) {
  for (const Codec* codec : codecs()) {
    EXPECT_FALSE(codec->scheme_of({}, {})) << codec->name;
    if (codec->decode != nullptr) {
      EXPECT_FALSE(codec->decode({}, {})) << codec->name;
    }
  }
}

TEST(Codecs, DoNotTakeEachOthersTensors) {
  const Tensor codes = {DType::kI8, {8, 16}, {}};
  const Tensor scale = {DType::kF32, {8, 1}, {}};
  const WeightParts lmdeploy = {{"weight", codes}, {"scale", scale}};
  const WeightParts compressed = {{"weight", codes}, {"weight_scale", scale}};
  for (const Codec* codec : codecs()) {
    EXPECT_EQ(codec->scheme_of(lmdeploy, {}).has_value(), codec->name == "lmdeploy-w8a8");
    EXPECT_EQ(codec->scheme_of(compressed, {}).has_value(), codec->name == "ct-quantized");
  }
}

}  // namespace
}  // namespace requant
