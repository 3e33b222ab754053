// Every block type of ggml against what gguf-py makes of the same bytes.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "base/letter_case.h"
#include "codec/codec.h"
#include "kernel/dense.h"
#include "kernel/round_as_ggml.h"
#include "quant/testing.h"
#include "support/support.h"

namespace requant {
namespace {

using testing_support::from_hex;
using testing_support::values_of;
using testing_support::vectors;

WeightParts parts_of(const std::string& bytes, std::int64_t rows = 1) {
  const auto width = static_cast<std::int64_t>(bytes.size()) / rows;
  return {{"weight", {DType::kU8, {rows, width}, *Bytes::copy_of(bytes_of(bytes))}}};
}

struct Case {
  std::string_view type;
  std::string_view scheme;
};

constexpr Case kCases[] = {
    {"Q4_0", "int4 per group 32, scale F16"},
    {"Q4_1", "int4 per group 32, scale F16, minima"},
    {"Q5_0", "int5 per group 32, scale F16"},
    {"Q5_1", "int5 per group 32, scale F16, minima"},
    {"Q8_0", "int8 per group 32, scale F16"},
    {"Q2_K", "int2 per group 16, scale U8, minima, outer scale F16 per group 256"},
    {"Q3_K", "int3 per group 16, scale I8, outer scale F16 per group 256"},
    {"Q4_K", "int4 per group 32, scale U8, minima, outer scale F16 per group 256"},
    {"Q5_K", "int5 per group 32, scale U8, minima, outer scale F16 per group 256"},
    {"Q6_K", "int6 per group 16, scale I8, outer scale F16 per group 256"},
    {"IQ2_XXS", "iq2_xxs per group 32, scale U8, outer scale F16 per group 256"},
    {"IQ2_XS", "iq2_xs per group 16, scale U8, outer scale F16 per group 256"},
    {"IQ2_S", "iq2_s per group 16, scale U8, outer scale F16 per group 256"},
    {"IQ3_XXS", "iq3_xxs per group 32, scale U8, outer scale F16 per group 256"},
    {"IQ3_S", "iq3_s per group 32, scale U8, outer scale F16 per group 256"},
    {"IQ1_S", "iq1_s per group 32, scale U8, outer scale F16 per group 256"},
    {"IQ1_M", "iq1_s per group 16, scale U8, outer scale F16 per group 256"},
    {"IQ4_NL", "iq4_nl per group 32, scale F16"},
    {"IQ4_XS", "iq4_nl per group 32, scale I8, outer scale F16 per group 256"},
    {"TQ1_0", "int2 per group 256, scale F16"},
    {"TQ2_0", "int3 per group 256, scale F16"},
    {"MXFP4", "e2m1 per group 32, scale F8_E8M0"},
    {"NVFP4", "e2m1 per group 16, scale F8_E4M3"},
};

const Codec& codec_of(std::string_view type) {
  const Codec* codec = find_codec("gguf-" + to_lower(type));
  EXPECT_NE(codec, nullptr) << type;
  return *codec;
}

std::vector<float> numbers_of(const std::string& bytes) {
  std::vector<float> numbers(bytes.size() / sizeof(float));
  std::memcpy(numbers.data(), bytes.data(), bytes.size());
  return numbers;
}

TEST(GgufTypes, DecodeToWhatGgufPyDecodesThemTo) {
  const Json file = vectors("gguf");
  for (const auto& [type, description] : kCases) {
    SCOPED_TRACE(type);
    const Json& entry = *file.find(type);
    const WeightParts parts = parts_of(from_hex(*entry.find("bytes_hex")->as_string()));
    const Codec& codec = codec_of(type);
    const auto scheme = codec.scheme_of(parts, {});
    ASSERT_TRUE(scheme);
    EXPECT_EQ(describe(*scheme), description);
    EXPECT_TRUE(codec.holds(*scheme));
    const auto weight = codec.decode(parts, *scheme);
    ASSERT_TRUE(weight) << weight.error().message();
    const auto expected = numbers_of(from_hex(*entry.find("dequant_f32_hex_le")->as_string()));
    const auto values = values_of(*weight);
    ASSERT_EQ(values.size(), expected.size());
    for (std::size_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], expected[i]) << "at " << i;
  }
}

// The bytes of the vectors are any: what has no one spelling (trits, scales that mean 0) comes back
// as the same numbers.
TEST(GgufTypes, AreWrittenAsTheyWereRead) {
  const Json file = vectors("gguf");
  std::size_t written = 0;
  for (const auto& [type, description] : kCases) {
    const Codec& codec = codec_of(type);
    if (codec.encode == nullptr) continue;
    SCOPED_TRACE(type);
    const WeightParts parts = parts_of(from_hex(*file.find(type)->find("bytes_hex")->as_string()));
    const auto weight = codec.decode(parts, *codec.scheme_of(parts, {}));
    ASSERT_TRUE(weight) << weight.error().message();
    const auto encoded = codec.encode(*weight);
    ASSERT_TRUE(encoded) << encoded.error().message();
    const auto layout = codec.layout(weight->scheme, weight->rows, weight->cols);
    ASSERT_TRUE(layout) << layout.error().message();
    EXPECT_EQ(layout->front().shape, encoded->at("weight").shape);
    ++written;
    if (type != "TQ1_0" && type != "NVFP4") {
      EXPECT_TRUE(same_bits(encoded->at("weight"), parts.at("weight")));
      continue;
    }
    const auto again = codec.decode(*encoded, weight->scheme);
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_EQ(values_of(*again), values_of(*weight));
  }
  EXPECT_EQ(written, 16U);
}

// Of `values`, or those with an importance, to each type that `expected` names.
void expect_bytes_of_ggml(const Json& expected, const Tensor& values,
                          std::span<const float> importance) {
  for (const auto& [type, hex] : expected.members()) {
    SCOPED_TRACE(type);
    const Codec& codec = codec_of(type);
    const std::string bytes = from_hex(*hex.as_string());
    const Scheme scheme = *codec.scheme_of(parts_of(bytes, values.shape[0]), {});
    ASSERT_TRUE(rounds_as_ggml(scheme));
    const auto rounded = round_as_ggml(values, scheme, importance);
    ASSERT_TRUE(rounded) << rounded.error().message();
    const auto difference = compare(*kernel::dense_weight(values), rounded->weight);
    ASSERT_TRUE(difference) << difference.error().message();
    EXPECT_EQ(rounded->difference.elements, difference->elements);
    EXPECT_EQ(rounded->difference.max_relative, difference->max_relative);
    EXPECT_EQ(rounded->difference.max_ulp, difference->max_ulp);
    EXPECT_EQ(rounded->difference.first, difference->first);
    const auto encoded = codec.encode(rounded->weight);
    ASSERT_TRUE(encoded) << encoded.error().message();
    EXPECT_TRUE(encoded->at("weight").bytes.text() == bytes);
  }
}

// ggml_quantize_chunk() gave the bytes.
TEST(GgufTypes, AreQuantisedToTheBytesOfGgml) {
  const Json file = vectors("ggml_quantise");
  const std::string bytes = from_hex(*file.find("values_f32_hex_le")->as_string());
  const Tensor values = testing_support::tensor_of(DType::kF32, {8, 256}, numbers_of(bytes));
  ASSERT_EQ(file.find("types")->members().size(), 15U);
  expect_bytes_of_ggml(*file.find("types"), values, {});
}

TEST(GgufTypes, AreQuantisedByImportanceToTheBytesOfGgml) {
  const Json file = vectors("ggml_quantise");
  const std::string bytes = from_hex(*file.find("values_f32_hex_le")->as_string());
  const Tensor values = testing_support::tensor_of(DType::kF32, {8, 256}, numbers_of(bytes));
  const auto importance = numbers_of(from_hex(*file.find("importance_f32_hex_le")->as_string()));
  ASSERT_EQ(file.find("types_by_importance")->members().size(), 15U);
  expect_bytes_of_ggml(*file.find("types_by_importance"), values, importance);
}

TEST(GgufTypes, OfWhichTheRoundingIsNotBuiltInAreRefused) {
  const Tensor values = testing_support::f32({1, 256}, std::vector<float>(256, 1));
  const auto parts = parts_of(std::string(66, '\0'));
  EXPECT_FALSE(round_as_ggml(values, *codec_of("IQ2_XXS").scheme_of(parts, {})));
  const Scheme q8_0 = *codec_of("Q8_0").scheme_of(parts_of(std::string(34, '\0')), {});
  EXPECT_FALSE(round_as_ggml(testing_support::f32({1, 48}, std::vector<float>(48, 1)), q8_0));
  EXPECT_FALSE(round_as_ggml(
      testing_support::f32({1, 32}, std::vector<float>(32, std::numeric_limits<float>::infinity())),
      q8_0));
  const Scheme q4_k = *codec_of("Q4_K").scheme_of(parts_of(std::string(144, '\0')), {});
  EXPECT_TRUE(round_as_ggml(values, q4_k));
  EXPECT_FALSE(round_as_ggml(testing_support::f32({1, 32}, std::vector<float>(32, 1)), q4_k));
  EXPECT_FALSE(round_as_ggml(values, q4_k, std::vector<float>(32, 1)));
}

// Where the neutral form says more than the blocks have room for.
TEST(GgufTypes, AreRefusedWhereBlocksHaveNoRoom) {
  const auto refuses = [](std::string_view type, const QuantizedWeight& weight) {
    return !codec_of(type).encode(weight);
  };
  Scheme scheme;
  scheme.bits = 2;
  scheme.grid = Grid::group(256);
  scheme.scale_dtype = DType::kF16;
  QuantizedWeight ternary = testing_support::random_weight(scheme, 2, 256);
  EXPECT_TRUE(refuses("TQ1_0", ternary));  // -2 is a code of two bits
  ternary.codes = testing_support::i8({2, 256}, std::vector<std::int8_t>(512, -1));
  EXPECT_FALSE(refuses("TQ1_0", ternary));
  EXPECT_TRUE(refuses("TQ2_0", ternary));  // of another scheme
  const auto parts =
      parts_of(from_hex(*vectors("gguf").find("Q4_K")->find("bytes_hex")->as_string()));
  auto k = codec_of("Q4_K").decode(parts, *codec_of("Q4_K").scheme_of(parts, {}));
  ASSERT_TRUE(k);
  EXPECT_FALSE(refuses("Q4_K", *k));
  k->scales = testing_support::tensor_of(
      DType::kU8, k->scales.shape,
      std::vector<std::uint8_t>(static_cast<std::size_t>(k->scales.elements()), 64));
  EXPECT_TRUE(refuses("Q4_K", *k));
  EXPECT_FALSE(codec_of("Q4_0").layout(
      *codec_of("Q4_0").scheme_of(parts_of(std::string(18, '\0')), {}), 2, 48));
}

TEST(GgufTypes, RefuseCutAndMangledTensors) {
  const Json file = vectors("gguf");
  for (const auto& [type, description] : kCases) {
    SCOPED_TRACE(type);
    const std::string bytes = from_hex(*file.find(type)->find("bytes_hex")->as_string());
    const Codec& codec = codec_of(type);
    const WeightParts parts = parts_of(bytes);
    const Scheme scheme = *codec.scheme_of(parts, {});
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      WeightParts cut = parts;
      cut["weight"].bytes = *Bytes::copy_of(bytes_of(bytes).first(size));
      ASSERT_FALSE(codec.decode(cut, scheme)) << "cut to " << size;
    }
    for (const Shape& shape :
         {Shape{}, Shape{-1, 4}, Shape{std::int64_t{1} << 62, 4}, Shape{3, 5, 7}, Shape{0, 0}}) {
      WeightParts broken = parts;
      broken["weight"].shape = shape;
      EXPECT_FALSE(codec.decode(broken, scheme)) << to_string(shape);
    }
    EXPECT_FALSE(codec.decode({}, scheme));
  }
}

TEST(GgufTypes, HaveTheRowsOfAllExperts) {
  const Json file = vectors("gguf");
  const std::string block = from_hex(*file.find("Q8_0")->find("bytes_hex")->as_string());
  WeightParts parts = parts_of(block + block + block + block + block + block);
  parts["weight"].shape = {3, 2, 34};
  const Codec& codec = codec_of("Q8_0");
  const auto weight = codec.decode(parts, *codec.scheme_of(parts, {}));
  ASSERT_TRUE(weight) << weight.error().message();
  EXPECT_EQ(weight->rows, 6);
  EXPECT_EQ(weight->cols, 32);
  const auto values = values_of(*weight);
  for (std::size_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], values[i % 32]);
}

// gguf-py does not decode these; the bytes were worked out by hand. F16 0.5 is 0x3800.
TEST(GgufTypes, OfWhichNoReferenceDecodes) {
  const Codec& one = codec_of("Q1_0");
  const WeightParts bits = parts_of(std::string("\x00\x38\x05", 3) + std::string(15, '\0'));
  auto weight = one.decode(bits, *one.scheme_of(bits, {}));
  ASSERT_TRUE(weight) << weight.error().message();
  auto values = values_of(*weight);
  EXPECT_EQ(std::vector<float>(values.begin(), values.begin() + 4),
            (std::vector<float>{0.5F, -0.5F, 0.5F, -0.5F}));
  const Codec& two = codec_of("Q2_0");
  const WeightParts fields = parts_of(std::string("\x00\x38\xE4", 3) + std::string(15, '\0'));
  weight = two.decode(fields, *two.scheme_of(fields, {}));
  ASSERT_TRUE(weight) << weight.error().message();
  values = values_of(*weight);
  EXPECT_EQ(std::vector<float>(values.begin(), values.begin() + 5),
            (std::vector<float>{-0.5F, 0, 0.5F, 1, -0.5F}));
  const Codec& eight = codec_of("Q8_K");
  std::string raw = std::string("\x00\x00\x00\x3F", 4) + "\x02\xFE" + std::string(254 + 32, '\0');
  const WeightParts block = parts_of(raw);
  weight = eight.decode(block, *eight.scheme_of(block, {}));
  ASSERT_TRUE(weight) << weight.error().message();
  EXPECT_EQ(values_of(*weight)[0], 1);
  EXPECT_EQ(values_of(*weight)[1], -1);
}

TEST(GgufTypes, Nvfp4HasAFactorBesideIt) {
  const Json file = vectors("gguf");
  const Json& entry = *file.find("NVFP4");
  const std::string block = from_hex(*entry.find("bytes_hex")->as_string());
  const auto plain = numbers_of(from_hex(*entry.find("dequant_f32_hex_le")->as_string()));
  WeightParts parts = parts_of(block + block);
  parts["weight"].shape = {2, 1, 36};
  parts["scale"] = testing_support::f32({2}, {0.5F, 2});
  const Codec& codec = codec_of("NVFP4");
  const auto scheme = codec.scheme_of(parts, {});
  ASSERT_TRUE(scheme);
  const auto weight = codec.decode(parts, *scheme);
  ASSERT_TRUE(weight) << weight.error().message();
  const auto values = values_of(*weight);
  for (std::size_t i = 0; i < 64; ++i) {
    ASSERT_EQ(values[i], plain[i] / 2);
    ASSERT_EQ(values[64 + i], plain[i] * 2);
  }
  parts["scale"] = testing_support::f32({3}, {1, 1, 1});
  EXPECT_FALSE(codec.scheme_of(parts, {}));
}

}  // namespace
}  // namespace requant
