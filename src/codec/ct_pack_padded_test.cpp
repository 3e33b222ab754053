#include <gtest/gtest.h>

#include "codec/codec.h"
#include "quant/testing.h"

namespace requant {
namespace {

using testing_support::f32;
using testing_support::tensor_of;
using testing_support::values_of;

const Codec& codec() { return *find_codec("ct-pack-padded"); }

WeightParts row_of_3_bits() {
  // Ten codes to a word, as compressed-tensors 0.17.1 packs -4 .. 3, -4 .. 3 and 0.
  return {{"weight_packed", tensor_of<std::uint32_t>(DType::kI32, {1, 2},
                                                     {010'7654'3210U & 0x3FFFFFFF, 0'4765'432U})},
          {"weight_scale", f32({1, 1}, {1})},
          {"weight_shape", tensor_of<std::int64_t>(DType::kI64, {2}, {1, 17})}};
}

TEST(CtPackPadded, ReadsWholeCodesToAWord) {
  const WeightParts parts = row_of_3_bits();
  const auto scheme = codec().scheme_of(parts, {.bits = 3, .grid = Grid::channel()});
  ASSERT_TRUE(scheme);
  const auto weight = codec().decode(parts, *scheme);
  ASSERT_TRUE(weight) << weight.error().message();
  EXPECT_EQ(values_of(*weight), (std::vector<float>{-4, -3, -2, -1, 0, 1, 2, 3, -4, -3,  //
                                                    -2, -1, 0, 1, 2, 3, 0}));
}

TEST(CtPackPadded, TellsItselfFromTheStreamByTheWidth) {
  const Scheme declared = {.bits = 3, .grid = Grid::group(128)};
  const auto parts = [](std::int64_t words) {
    return WeightParts{{"weight_packed", {DType::kI32, {8, words}, {}}},
                       {"weight_scale", {DType::kBF16, {8, 2}, {}}}};
  };
  EXPECT_TRUE(codec().scheme_of(parts(26), declared));
  EXPECT_FALSE(codec().scheme_of(parts(24), declared));
  EXPECT_FALSE(find_codec("ct-pack")->scheme_of(parts(26), declared));
  EXPECT_TRUE(find_codec("ct-pack")->scheme_of(parts(24), declared));
}

TEST(CtPackPadded, HasNoBitsThatDivideAWord) {
  for (const int bits : {1, 2, 4, 8}) {
    EXPECT_FALSE(codec().holds({.bits = bits, .grid = Grid::channel()})) << bits;
  }
}

TEST(CtPackPadded, RefusesCutTensors) {
  const WeightParts whole = row_of_3_bits();
  const Scheme scheme = *codec().scheme_of(whole, {.bits = 3, .grid = Grid::channel()});
  for (const auto& [name, tensor] : whole) {
    WeightParts parts = whole;
    for (std::size_t size = 0; size < tensor.bytes.size(); ++size) {
      parts[name].bytes = *Bytes::copy_of(tensor.bytes.span().first(size));
      EXPECT_FALSE(codec().decode(parts, scheme)) << name << " cut to " << size;
    }
    parts.erase(name);
    EXPECT_FALSE(codec().decode(parts, scheme)) << "without " << name;
  }
}

}  // namespace
}  // namespace requant
