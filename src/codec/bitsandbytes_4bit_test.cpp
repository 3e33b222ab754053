#include <gtest/gtest.h>

#include "codec/bitsandbytes_state.h"
#include "codec/codec.h"
#include "quant/round_to_nearest.h"
#include "quant/testing.h"
#include "support/support.h"
#include "tensor/float_formats.h"

namespace requant {
namespace {

using testing_support::f32;
using testing_support::tensor_in;
using testing_support::u8;

const Codec& codec() { return *find_codec("bitsandbytes-4bit"); }

Tensor text(std::string_view json) {
  return u8({static_cast<std::int64_t>(json.size())}, {json.begin(), json.end()});
}

WeightParts library_parts(const Json& file, const std::string& type) {
  const Json& entry = *file.find(type + "_b64");
  WeightParts parts;
  for (const std::string name : {"weight", "weight.absmax", "weight.quant_map"}) {
    parts[name] = tensor_in(entry, name);
  }
  const std::string state = "weight.quant_state.bitsandbytes__" + type;
  parts[state] = tensor_in(entry, state);
  return parts;
}

TEST(Bitsandbytes4bit, ReadsWhatTheLibraryWrote) {
  const Json file = testing_support::vectors("bitsandbytes");
  for (const std::string type : {"nf4", "fp4"}) {
    const WeightParts parts = library_parts(file, type);
    const auto scheme = codec().scheme_of(parts, {});
    ASSERT_TRUE(scheme);
    EXPECT_EQ(describe(*scheme), type + " per flat 64, scale F32");
    const auto weight = codec().decode(parts, *scheme);
    ASSERT_TRUE(weight) << weight.error().message();
    EXPECT_EQ(weight->rows, 8);
    EXPECT_EQ(weight->cols, 64);
    // The library returns BF16.
    std::vector<float> values = testing_support::values_of(*weight);
    for (float& value : values) value = bf16_to_f32(f32_to_bf16(value));
    EXPECT_EQ(values, testing_support::expected_values(*file.find(type + "_b64"))) << type;
  }
}

// The vectors hold the first bytes of a nested weight: one block under each statistic.
TEST(Bitsandbytes4bit, ReadsNestedStatistics) {
  const Json file = testing_support::vectors("bitsandbytes");
  for (const std::string type : {"nf4", "fp4"}) {
    const Json& entry = *file.find(type + "_nested_b64");
    const std::string head =
        testing_support::from_hex(*entry.at({"tensors", "weight", "hex_le_first_64"})->as_string());
    const Tensor absmax = tensor_in(entry, "weight.absmax");
    const WeightParts parts = {
        {"weight", u8({64, 1}, {head.begin(), head.end()})},
        {"weight.absmax", u8({2}, {absmax.as<std::uint8_t>()[0], absmax.as<std::uint8_t>()[1]})},
        {"weight.quant_map", tensor_in(entry, "weight.quant_map")},
        {"weight.nested_absmax", tensor_in(entry, "weight.nested_absmax")},
        {"weight.nested_quant_map", tensor_in(entry, "weight.nested_quant_map")},
        {"weight.quant_state.bitsandbytes__" + type,
         text(R"({"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [2, 64],
                  "nested_blocksize": 256, "nested_dtype": "float32",
                  "nested_offset": 1.862060546875})")}};
    const auto scheme = codec().scheme_of(parts, {});
    ASSERT_TRUE(scheme);
    const auto weight = codec().decode(parts, *scheme);
    ASSERT_TRUE(weight) << weight.error().message();
    const auto values = testing_support::values_of(*weight);
    const auto& expected = entry.find("dequant_first_128")->items();
    ASSERT_EQ(values.size(), expected.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      EXPECT_EQ(double{bf16_to_f32(f32_to_bf16(values[i]))}, *expected[i].as_double())
          << "at " << i;
    }
  }
}

TEST(Bitsandbytes4bit, WritesTheBytesThatTheLibraryWrote) {
  const Json file = testing_support::vectors("bitsandbytes");
  for (const std::string type : {"nf4", "fp4"}) {
    const WeightParts parts = library_parts(file, type);
    const auto weight = codec().decode(parts, *codec().scheme_of(parts, {}));
    ASSERT_TRUE(weight) << weight.error().message();
    const auto written = codec().encode(*weight);
    ASSERT_TRUE(written) << written.error().message();
    ASSERT_EQ(written->size(), parts.size());
    for (const auto& [name, tensor] : parts) {
      EXPECT_TRUE(same_bits(written->at(name), tensor)) << name;
    }
    const auto specs = codec().layout(weight->scheme, weight->rows, weight->cols);
    ASSERT_TRUE(specs) << specs.error().message();
    for (const PartSpec& spec : *specs) EXPECT_EQ(parts.at(spec.suffix).shape, spec.shape);
  }
}

// The rule by which the vectors' nested weight was made.
Tensor ruled_input() {
  std::vector<std::uint16_t> bits;
  for (int n = 0; n < 32; ++n) {
    for (int k = 0; k < 512; ++k) {
      const int number = (n * 7 + k * 13 + (n * k) % 11) % 61 - 30;
      bits.push_back(f32_to_bf16(static_cast<float>(number) / 16));
    }
  }
  return testing_support::tensor_of(DType::kBF16, {32, 512}, bits);
}

TEST(Bitsandbytes4bit, WritesNestedStatistics) {
  const Json file = testing_support::vectors("bitsandbytes");
  Scheme scheme{.element = Element::kCodebook, .bits = 4};
  scheme.grid = {.block_cols = 64, .flat = true};
  scheme.scale_dtype = DType::kU8;
  scheme.outer = OuterScale{.grid = {.block_cols = 64 * 256, .flat = true}};
  for (const std::string type : {"nf4", "fp4"}) {
    scheme.codebook = type;
    const auto weight = round_to_nearest(ruled_input(), scheme);
    ASSERT_TRUE(weight) << weight.error().message();
    const auto parts = codec().encode(*weight);
    ASSERT_TRUE(parts) << parts.error().message();
    const Json& entry = *file.find(type + "_nested_b64");
    for (const std::string name :
         {"weight.absmax", "weight.quant_map", "weight.nested_absmax", "weight.nested_quant_map"}) {
      EXPECT_TRUE(same_bits(parts->at(name), tensor_in(entry, name))) << name;
    }
    const std::string state = "weight.quant_state.bitsandbytes__" + type;
    const std::string_view written = parts->at(state).bytes.text();
    const std::string_view wanted = *entry.find("quant_state_json")->as_string();
    EXPECT_EQ(written.substr(0, wanted.size()), wanted);
    EXPECT_EQ(written.find_first_not_of(' ', wanted.size()), std::string_view::npos);
    const auto found = codec().scheme_of(*parts, scheme);
    ASSERT_TRUE(found);
    EXPECT_EQ(*found, scheme);
    const auto again = codec().decode(*parts, *found);
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_TRUE(compare(*weight, *again)->equal);
  }
}

TEST(Bitsandbytes4bit, SpellsOffsetsAsPythonDoes) {
  BitsandbytesState state{.rows = 2, .cols = 64, .block = 64, .nested_block = 256};
  const auto offset_in = [&](float offset) {
    state.nested_offset = offset;
    const std::string written = bitsandbytes_state_text(state, "nf4");
    const std::size_t begin = written.find("nested_offset") + 16;
    return written.substr(begin, written.find('}') - begin);
  };
  EXPECT_EQ(offset_in(0.18704980611801147F), "0.18704980611801147");
  EXPECT_EQ(offset_in(2), "2.0");
  EXPECT_EQ(offset_in(0), "0.0");
  EXPECT_EQ(offset_in(0.0001F), "9.999999747378752e-05");
  const std::size_t length = bitsandbytes_state_text(state, "nf4").size();
  state.dtype = "float16";
  state.nested_offset = 1.0F / 3;
  EXPECT_EQ(bitsandbytes_state_text(state, "nf4").size(), length);
}

TEST(Bitsandbytes4bit, DoesNotWriteOtherTables) {
  const WeightParts parts = library_parts(testing_support::vectors("bitsandbytes"), "nf4");
  auto weight = codec().decode(parts, *codec().scheme_of(parts, {}));
  ASSERT_TRUE(weight);
  weight->scheme.codebook = "fp4";
  EXPECT_FALSE(codec().encode(*weight));
  weight->scheme.codebook.clear();
  EXPECT_FALSE(codec().encode(*weight));
}

TEST(Bitsandbytes4bit, BlocksCrossRowsAndTheLastMayBeRagged) {
  const WeightParts parts = {
      {"weight", u8({2, 1}, {0x12, 0x30})},
      {"weight.absmax", f32({1}, {2})},
      {"weight.quant_map", f32({16}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})},
      {"weight.quant_state.bitsandbytes__fp4", text(R"({"blocksize": 64, "shape": [3, 1]})")}};
  const auto weight = codec().decode(parts, *codec().scheme_of(parts, {}));
  ASSERT_TRUE(weight) << weight.error().message();
  EXPECT_EQ(testing_support::values_of(*weight), (std::vector<float>{2, 4, 6}));
}

TEST(Bitsandbytes4bit, RefusesCutAndMangledTensors) {
  const WeightParts parts = library_parts(testing_support::vectors("bitsandbytes"), "nf4");
  const Scheme scheme = *codec().scheme_of(parts, {});
  for (const auto& [name, tensor] : parts) {
    WeightParts broken = parts;
    for (std::size_t size = 0; size < tensor.bytes.size(); ++size) {
      broken[name].bytes = *Bytes::copy_of(tensor.bytes.span().first(size));
      EXPECT_FALSE(codec().decode(broken, scheme)) << name << " cut to " << size;
    }
    for (const Shape& shape : {Shape{}, Shape{-1}, Shape{std::int64_t{1} << 62, 4}, Shape{3, 5}}) {
      broken = parts;
      broken[name].shape = shape;
      EXPECT_FALSE(codec().decode(broken, scheme)) << name << " " << to_string(shape);
      codec().scheme_of(broken, scheme);  // must not crash
    }
    broken.erase(name);
    EXPECT_FALSE(codec().decode(broken, scheme)) << "without " << name;
  }
}

TEST(Bitsandbytes4bit, ChecksWhatTheQuantStateSays) {
  for (const char* json :
       {" ", "[]", "{", R"({"blocksize": 64})", R"({"blocksize": 0, "shape": [8, 64]})",
        R"({"blocksize": 64, "shape": [8]})", R"({"blocksize": 64, "shape": [-8, 64]})",
        R"({"blocksize": 64, "shape": [8, 9223372036854775807]})",
        R"({"blocksize": 64, "shape": [8, 64], "nested_blocksize": 256})",
        R"({"blocksize": 1e9, "shape": [8, 64]})"}) {
    EXPECT_FALSE(parse_bitsandbytes_state(text(json))) << json;
  }
  WeightParts parts = library_parts(testing_support::vectors("bitsandbytes"), "nf4");
  const Scheme scheme = *codec().scheme_of(parts, {});
  for (const char* json :
       {R"({"blocksize": 128, "shape": [8, 64]})", R"({"blocksize": 64, "shape": [8, 65]})",
        R"({"blocksize": 64, "shape": [2147483648, 2147483648]})"}) {
    parts["weight.quant_state.bitsandbytes__nf4"] = text(json);
    EXPECT_FALSE(codec().decode(parts, scheme)) << json;
  }
}

}  // namespace
}  // namespace requant
