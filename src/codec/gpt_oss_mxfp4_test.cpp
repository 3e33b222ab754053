#include <gtest/gtest.h>

#include <cstring>

#include "codec/codec.h"
#include "codec/testing.h"
#include "quant/testing.h"
#include "support/support.h"

namespace requant {
namespace {

using testing_support::tensor_in;

const Codec& codec() { return *find_codec("gpt-oss-mxfp4"); }

WeightParts library_parts(const Json& file) {
  const Json& entry = *file.find("gpt_oss_blocks_scales");
  return {{"blocks", tensor_in(entry, "gate_up_proj_blocks")},
          {"scales", tensor_in(entry, "gate_up_proj_scales")}};
}

TEST(GptOssMxfp4, ReadsExpertsAsRowsInTheOrderStored) {
  const Json file = testing_support::vectors("mxfp4_gpt_oss");
  const WeightParts parts = library_parts(file);
  const auto scheme = codec().scheme_of(parts, {});
  ASSERT_TRUE(scheme);
  EXPECT_EQ(describe(*scheme), "e2m1 per group 32, scale F8_E8M0");
  const auto weight = codec().decode(parts, *scheme);
  ASSERT_TRUE(weight) << weight.error().message();
  ASSERT_EQ(weight->rows, 2 * 4);
  ASSERT_EQ(weight->cols, 64);
  const auto values = testing_support::values_of(*weight);
  const Json& entry = *file.find("gpt_oss_blocks_scales");
  const std::string bytes =
      testing_support::from_hex(*entry.at({"dequant_E_I_O", "f32_hex_le"})->as_string());
  std::vector<float> expected(bytes.size() / sizeof(float));
  std::memcpy(expected.data(), bytes.data(), bytes.size());
  ASSERT_EQ(expected.size(), values.size());
  for (std::size_t expert = 0; expert < 2; ++expert) {
    for (std::size_t row = 0; row < 4; ++row) {
      for (std::size_t col = 0; col < 64; ++col) {
        ASSERT_EQ(values[(expert * 4 + row) * 64 + col], expected[(expert * 64 + col) * 4 + row]);
      }
    }
  }
}

TEST(GptOssMxfp4, ReadsOneMatrixToo) {
  const WeightParts parts = {{"blocks", {DType::kU8, {6, 2, 16}, {}}},
                             {"scales", {DType::kU8, {6, 2}, {}}}};
  EXPECT_TRUE(codec().scheme_of(parts, {}));
}

TEST(GptOssMxfp4, WritesOneMatrixAndReadsItAgain) {
  const WeightParts parts = library_parts(testing_support::vectors("mxfp4_gpt_oss"));
  const Scheme scheme = *codec().scheme_of(parts, {});
  testing_support::expect_round_trip(codec(), scheme, 6, 64);
  testing_support::expect_refusal_when_cut(codec(), scheme, 6, 64);
  EXPECT_FALSE(codec().layout(scheme, 4, 48));
}

TEST(GptOssMxfp4, WritesTheLibrarysBytes) {
  const WeightParts parts = library_parts(testing_support::vectors("mxfp4_gpt_oss"));
  const auto weight = codec().decode(parts, *codec().scheme_of(parts, {}));
  ASSERT_TRUE(weight);
  const auto encoded = codec().encode(*weight);
  ASSERT_TRUE(encoded) << encoded.error().message();
  for (const auto& [suffix, tensor] : parts) {
    ASSERT_EQ(encoded->at(suffix).bytes.text(), tensor.bytes.text()) << suffix;
  }
}

TEST(GptOssMxfp4, RefusesCutAndMangledTensors) {
  const WeightParts parts = library_parts(testing_support::vectors("mxfp4_gpt_oss"));
  const Scheme scheme = *codec().scheme_of(parts, {});
  for (const auto& [name, tensor] : parts) {
    WeightParts broken = parts;
    for (std::size_t size = 0; size < tensor.bytes.size(); ++size) {
      broken[name].bytes = *Bytes::copy_of(tensor.bytes.span().first(size));
      EXPECT_FALSE(codec().decode(broken, scheme)) << name << " cut to " << size;
    }
    for (const Shape& shape : {Shape{}, Shape{-1, 4, 2, 16}, Shape{std::int64_t{1} << 62, 4, 2, 16},
                               Shape{2, 4, 0}, Shape{0, 0, 0, 16}, Shape{2, 4, 4, 8}}) {
      broken = parts;
      broken[name].shape = shape;
      EXPECT_FALSE(codec().decode(broken, scheme)) << name << " " << to_string(shape);
      EXPECT_FALSE(codec().scheme_of(broken, scheme)) << name << " " << to_string(shape);
    }
    broken.erase(name);
    EXPECT_FALSE(codec().decode(broken, scheme)) << "without " << name;
  }
}

}  // namespace
}  // namespace requant
