// Conversions whose two ends other programs wrote: what one layout's bytes become in another.

#include <gtest/gtest.h>

#include "codec/codec.h"
#include "codec/gptq_testing.h"
#include "codec/testing.h"
#include "quant/testing.h"
#include "support/support.h"
#include "tensor/float_formats.h"

namespace requant {
namespace {

using testing_support::from_hex;
using testing_support::i8;
using testing_support::tensor_in;
using testing_support::tensor_of;
using testing_support::u8;
using testing_support::vectors;
using Bytes = std::vector<std::uint8_t>;

const Json& vectors_file() {
  static const Json file = vectors("conversions");
  return file;
}

// The blocks of a GGUF tensor, `size` bytes each.
std::vector<Bytes> gguf_blocks(const Json& entry, std::size_t size) {
  const std::string raw = from_hex(*entry.find("gguf_bytes")->as_string());
  std::vector<Bytes> blocks;
  for (std::size_t at = 0; at < raw.size(); at += size) {
    blocks.emplace_back(raw.begin() + static_cast<std::ptrdiff_t>(at),
                        raw.begin() + static_cast<std::ptrdiff_t>(at + size));
  }
  return blocks;
}

// Blocks of 32 with an F16 scale before the codes, two in a row, as symmetric groups of 32.
QuantizedWeight groups_of_32(int bits, const std::vector<Bytes>& blocks,
                             const std::vector<std::int8_t>& codes) {
  QuantizedWeight weight;
  weight.scheme = {.bits = bits, .grid = Grid::group(32), .scale_dtype = DType::kF16};
  weight.cols = 64;
  weight.rows = static_cast<std::int64_t>(blocks.size()) / 2;
  std::vector<std::uint16_t> scales;
  for (const Bytes& block : blocks) {
    scales.push_back(static_cast<std::uint16_t>(block[0] | block[1] << 8));
  }
  weight.codes = i8({weight.rows, weight.cols}, codes);
  weight.scales = tensor_of(DType::kF16, {weight.rows, 2}, scales);
  return weight;
}

void expect_packed(const QuantizedWeight& weight, const Json& entry) {
  const auto parts = find_codec("ct-pack")->encode(weight);
  ASSERT_TRUE(parts) << parts.error().message();
  for (const char* name : {"weight_packed", "weight_scale"}) {
    EXPECT_TRUE(same_bits(parts->at(name), tensor_in(*entry.find(name)))) << name;
  }
}

TEST(Conversions, Q8_0IsCompressedTensorsInt8InGroupsOf32) {
  const Json& entry = *vectors_file().find("q8_0_to_ct_int8_g32");
  const auto blocks = gguf_blocks(entry, 34);
  std::vector<std::int8_t> codes;
  for (const Bytes& block : blocks) {
    for (std::size_t i = 2; i < 34; ++i) codes.push_back(static_cast<std::int8_t>(block[i]));
  }
  expect_packed(groups_of_32(8, blocks, codes), entry);
}

TEST(Conversions, Q4_0IsCompressedTensorsInt4WithItsNegativeScales) {
  const Json& entry = *vectors_file().find("q4_0_to_ct_int4_g32");
  const auto blocks = gguf_blocks(entry, 18);
  std::vector<std::int8_t> codes;
  for (const Bytes& block : blocks) {
    for (std::size_t i = 2; i < 18; ++i) {
      codes.push_back(static_cast<std::int8_t>((block[i] & 15) - 8));
    }
    for (std::size_t i = 2; i < 18; ++i) {
      codes.push_back(static_cast<std::int8_t>((block[i] >> 4) - 8));
    }
  }
  expect_packed(groups_of_32(4, blocks, codes), entry);
}

TEST(Conversions, Mxfp4OfGgufPairsOtherNibblesThanCompressedTensors) {
  const Json& entry = *vectors_file().find("mxfp4_gguf_to_ct");
  const WeightParts parts = {{"weight_packed", tensor_in(*entry.find("weight_packed"))},
                             {"weight_scale", tensor_in(*entry.find("weight_scale"))}};
  const Codec& codec = *find_codec("ct-mxfp4");
  const auto weight = codec.decode(parts, *codec.scheme_of(parts, {}));
  ASSERT_TRUE(weight) << weight.error().message();
  const auto codes = weight->codes.as<std::uint8_t>();
  const auto scales = weight->scales.as<std::uint8_t>();
  const auto blocks = gguf_blocks(entry, 17);
  ASSERT_EQ(scales.size(), blocks.size());
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    EXPECT_EQ(scales[b], blocks[b][0]);
    for (std::size_t i = 0; i < 16; ++i) {
      EXPECT_EQ(codes[b * 32 + i], blocks[b][1 + i] & 15) << b << ", " << i;
      EXPECT_EQ(codes[b * 32 + 16 + i], blocks[b][1 + i] >> 4) << b << ", " << i;
    }
  }
  const auto values = testing_support::values_of(*weight);
  const auto& expected = entry.find("dequant")->items();
  ASSERT_EQ(values.size(), expected.size());
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(values[i], *expected[i].as_double());
}

// GGUF keeps four scales of 16 before 32 bytes; in each 8 bytes the second half of 16 stands high.
TEST(Conversions, Nvfp4OfModelOptIsThatOfGguf) {
  const Json& entry = *vectors_file().find("nvfp4_modelopt_to_gguf");
  WeightParts parts;
  for (const char* name : {"weight", "weight_scale", "weight_scale_2"}) {
    parts[name] = tensor_in(*entry.find(name));
  }
  const Codec& codec = *find_codec("modelopt-nvfp4");
  const auto weight = codec.decode(parts, *codec.scheme_of(parts, {}));
  ASSERT_TRUE(weight) << weight.error().message();
  const auto codes = weight->codes.as<std::uint8_t>();
  const auto scales = weight->scales.as<std::uint8_t>();
  const auto blocks = gguf_blocks(entry, 36);
  ASSERT_EQ(codes.size(), blocks.size() * 64);
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    for (std::size_t group = 0; group < 4; ++group) {
      EXPECT_EQ(scales[b * 4 + group], blocks[b][group]);
      for (std::size_t i = 0; i < 8; ++i) {
        const std::size_t at = b * 64 + group * 16 + i;
        EXPECT_EQ(codes[at] | codes[at + 8] << 4, blocks[b][4 + group * 8 + i]) << at;
      }
    }
  }
}

std::uint32_t word_of(const Json& text) {
  return static_cast<std::uint32_t>(std::stoul(std::string(*text.as_string()), nullptr, 16));
}

// One zero point of 0 makes two v1 words of the same numbers: field by field, and with the borrow.
TEST(Conversions, ZeroPointZeroHasTwoWordsInGptqV1) {
  const Json& entry = *vectors_file().find("awq_zero_to_gptq_v1");
  const WeightParts v2 = testing_support::gptq_zero_word(word_of(*entry.find("true_v2_word")));
  const Codec& reader = *find_codec("gptq-v2");
  const auto weight = reader.decode(v2, *reader.scheme_of(v2, {.offset = Offset::kZero}));
  ASSERT_TRUE(weight) << weight.error().message();
  const auto& expected = entry.find("zeros")->items();
  const auto zeros = weight->zeros.as<std::int16_t>();
  ASSERT_EQ(zeros.size(), expected.size());
  for (std::size_t i = 0; i < zeros.size(); ++i) EXPECT_EQ(zeros[i] + 8, *expected[i].as_int());
  for (const auto& [codec, word] :
       {std::pair("gptq", "word"), {"gptq-words", "autoawq_sum_packing_word"}}) {
    const WeightParts v1 = testing_support::gptq_zero_word(word_of(*entry.find(word)));
    EXPECT_EQ(testing_support::gptq_zeros_of(*find_codec(codec), v1),
              testing_support::gptq_zeros_of(reader, v2))
        << codec;
  }
}

// AutoAWQ's own repacking subtracts one from every zero point of a word at once.
TEST(Conversions, AutoAwqsRepackingForExllamaIsGptqWordByWord) {
  const Json file = vectors("awq");
  const Json& from = *file.find("gemm");
  const WeightParts parts = {{"qweight", tensor_in(from, "qweight")},
                             {"qzeros", tensor_in(from, "qzeros")},
                             {"scales", tensor_in(from, "scales")}};
  const Codec& awq = *find_codec("awq-gemm");
  const auto weight = awq.decode(parts, *awq.scheme_of(parts, {}));
  ASSERT_TRUE(weight) << weight.error().message();
  const auto repacked = find_codec("gptq-words")->encode(*weight);
  ASSERT_TRUE(repacked) << repacked.error().message();
  const Json& to = *file.find("gemm_to_exllama_gptq_v1");
  for (const char* name : {"qweight", "qzeros"}) {
    EXPECT_TRUE(same_bits(repacked->at(name), tensor_in(*to.find(name)))) << name;
  }
}

TEST(Conversions, EveryE4m3IsExactInF16AndBf16) {
  EXPECT_TRUE(*vectors_file().find("e4m3_in_f16")->as_bool());
  EXPECT_TRUE(*vectors_file().find("e4m3_in_bf16")->as_bool());
  for (int code = 0; code < 256; ++code) {
    const auto bits = static_cast<std::uint8_t>(code);
    if (is_nan_e4m3fn(bits)) continue;
    const float value = e4m3fn_to_f32(bits);
    EXPECT_EQ(f16_to_f32(f32_to_f16(value)), value);
    EXPECT_EQ(bf16_to_f32(f32_to_bf16(value)), value);
  }
}

TEST(Conversions, TheSameByteOfFnuzIsHalfOfFn) {
  EXPECT_TRUE(*vectors_file().find("fnuz_same_byte_times2_equals_fn")->as_bool());
  for (int code = 0; code < 256; ++code) {
    const auto bits = static_cast<std::uint8_t>(code);
    if (is_nan_e4m3fn(bits) || bits == 0x80) continue;  // -0 there is NaN here
    EXPECT_EQ(2 * e4m3fnuz_to_f32(bits), e4m3fn_to_f32(bits)) << code;
  }
}

}  // namespace
}  // namespace requant
