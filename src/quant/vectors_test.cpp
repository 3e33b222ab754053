// Blocks of formats that have no codec yet, taken apart by hand into the neutral form: it must hold
// them, and dequantize() must give what the formats' own libraries gave.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "quant/testing.h"
#include "support/support.h"
#include "tensor/float_formats.h"

namespace requant {
namespace {

using testing_support::expected_values;
using testing_support::f32;
using testing_support::from_hex;
using testing_support::i8;
using testing_support::tensor_in;
using testing_support::tensor_of;
using testing_support::u8;
using testing_support::values_of;
using testing_support::vectors;
using Bits = std::vector<std::uint8_t>;
using Halves = std::vector<std::uint16_t>;
using Values = std::vector<float>;

constexpr std::int64_t kSuper = 256;

// The bytes of a GGUF vector, cut into blocks.
std::vector<Bits> blocks_of(const Json& entry) {
  const std::string raw = from_hex(*entry.find("bytes_hex")->as_string());
  const auto size = static_cast<std::size_t>(*entry.find("block_bytes")->as_int());
  std::vector<Bits> blocks;
  for (std::size_t at = 0; at < raw.size(); at += size) {
    blocks.emplace_back(raw.begin() + static_cast<std::ptrdiff_t>(at),
                        raw.begin() + static_cast<std::ptrdiff_t>(at + size));
  }
  return blocks;
}

Values gguf_values(const Json& entry) {
  const std::string bytes = from_hex(*entry.find("dequant_f32_hex_le")->as_string());
  Values values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

std::uint16_t half_at(const Bits& block, std::size_t at) {
  return static_cast<std::uint16_t>(block[at] | block[at + 1] << 8);
}

std::uint8_t byte(int value) { return static_cast<std::uint8_t>(value); }

void expect_values(const QuantizedWeight& weight, const Values& expected) {
  const Values values = values_of(weight);
  ASSERT_EQ(values.size(), expected.size());
  for (std::size_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], expected[i]) << "at " << i;
}

// One row of super-blocks of 256 with an F16 outer scale each.
QuantizedWeight super_blocks(Scheme scheme, std::size_t blocks, std::int64_t group) {
  QuantizedWeight w;
  w.scheme = std::move(scheme);
  w.scheme.grid = Grid::group(group);
  w.scheme.outer = OuterScale{.dtype = DType::kF16, .grid = Grid::group(kSuper)};
  w.rows = 1;
  w.cols = static_cast<std::int64_t>(blocks) * kSuper;
  return w;
}

TEST(NeutralForm, HoldsQ4_1) {
  const Json file = vectors("gguf");
  const Json& entry = *file.find("Q4_1");
  const auto blocks = blocks_of(entry);
  Bits codes(blocks.size() * 32);
  Halves scales;
  Halves minima;
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    scales.push_back(half_at(blocks[b], 0));
    minima.push_back(half_at(blocks[b], 2));
    for (std::size_t j = 0; j < 16; ++j) {
      codes[b * 32 + j] = blocks[b][4 + j] & 15;
      codes[b * 32 + 16 + j] = blocks[b][4 + j] >> 4;
    }
  }
  QuantizedWeight w;
  w.scheme = {
      .bits = 4, .grid = Grid::group(32), .scale_dtype = DType::kF16, .offset = Offset::kMinimum};
  w.rows = 1;
  w.cols = static_cast<std::int64_t>(codes.size());
  const auto count = static_cast<std::int64_t>(scales.size());
  w.codes = u8({1, w.cols}, codes);
  w.scales = tensor_of(DType::kF16, {1, count}, scales);
  w.minima = tensor_of(DType::kF16, {1, count}, minima);
  expect_values(w, gguf_values(entry));
}

TEST(NeutralForm, HoldsQ4KWithIntegerScalesAndMinima) {
  const Json file = vectors("gguf");
  const Json& entry = *file.find("Q4_K");
  const auto blocks = blocks_of(entry);
  QuantizedWeight w = super_blocks(
      {.bits = 4, .scale_dtype = DType::kU8, .offset = Offset::kMinimum}, blocks.size(), 32);
  Bits codes(blocks.size() * kSuper);
  Bits scales;
  std::vector<std::int8_t> minima;
  Halves outer;
  Halves outer_minima;
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    const Bits& raw = blocks[b];
    outer.push_back(half_at(raw, 0));
    outer_minima.push_back(half_at(raw, 2));
    const std::uint8_t* s = raw.data() + 4;
    for (std::size_t i = 0; i < 8; ++i) {
      const int scale = i < 4 ? s[i] & 63 : (s[i + 4] & 15) | (s[i - 4] >> 6) << 4;
      const int minimum = i < 4 ? s[i + 4] & 63 : s[i + 4] >> 4 | (s[i] >> 6) << 4;
      scales.push_back(byte(scale));
      minima.push_back(static_cast<std::int8_t>(-minimum));
      for (std::size_t l = 0; l < 32; ++l) {
        codes[b * kSuper + 32 * i + l] = byte(raw[16 + 32 * (i / 2) + l] >> (4 * (i % 2)) & 15);
      }
    }
  }
  const auto count = static_cast<std::int64_t>(blocks.size());
  w.codes = u8({1, w.cols}, codes);
  w.scales = u8({1, 8 * count}, scales);
  w.minima = i8({1, 8 * count}, minima);
  w.outer_scales = tensor_of(DType::kF16, {1, count}, outer);
  w.outer_minima = tensor_of(DType::kF16, {1, count}, outer_minima);
  expect_values(w, gguf_values(entry));
}

TEST(NeutralForm, HoldsQ6K) {
  const Json file = vectors("gguf");
  const Json& entry = *file.find("Q6_K");
  const auto blocks = blocks_of(entry);
  QuantizedWeight w = super_blocks({.bits = 6, .scale_dtype = DType::kI8}, blocks.size(), 16);
  std::vector<std::int8_t> codes;
  std::vector<std::int8_t> scales;
  Halves outer;
  for (const Bits& raw : blocks) {
    outer.push_back(half_at(raw, 208));
    for (std::size_t i = 0; i < 16; ++i) scales.push_back(static_cast<std::int8_t>(raw[192 + i]));
    for (std::size_t e = 0; e < kSuper; ++e) {
      const std::size_t half = e / 128;
      const std::size_t quarter = e % 128 / 32;
      const std::size_t l = e % 32;
      const int low = raw[64 * half + 32 * (quarter % 2) + l] >> (quarter < 2 ? 0 : 4) & 15;
      const int high = raw[128 + 32 * half + l] >> (2 * quarter) & 3;
      codes.push_back(static_cast<std::int8_t>((low | high << 4) - 32));
    }
  }
  const auto count = static_cast<std::int64_t>(blocks.size());
  w.codes = i8({1, w.cols}, codes);
  w.scales = i8({1, 16 * count}, scales);
  w.outer_scales = tensor_of(DType::kF16, {1, count}, outer);
  expect_values(w, gguf_values(entry));
}

// 256 grid points x 128 sign masks, eight elements each, as one codebook. The scale is
// d x (2 s + 1), the codebook an eighth of grid x sign.
Tensor iq2_codebook() {
  const Json tables = vectors("gguf_iq_tables");
  const std::string grid = from_hex(*tables.at({"iq2xxs", "hex"})->as_string());
  Values values;
  for (std::size_t point = 0; point < 256; ++point) {
    for (unsigned mask = 0; mask < 128; ++mask) {
      const unsigned signs = mask | static_cast<unsigned>(std::popcount(mask) & 1) << 7;
      for (std::size_t e = 0; e < 8; ++e) {
        const auto magnitude = static_cast<float>(static_cast<std::uint8_t>(grid[8 * point + e]));
        values.push_back(((signs >> e & 1) != 0 ? -magnitude : magnitude) / 8);
      }
    }
  }
  return f32({256 * 128, 8}, values);
}

TEST(NeutralForm, HoldsIq2XxsAsACodebookOfSignedVectors) {
  const Json file = vectors("gguf");
  const Json& entry = *file.find("IQ2_XXS");
  const auto blocks = blocks_of(entry);
  QuantizedWeight w = super_blocks(
      {.element = Element::kCodebook, .bits = 15, .scale_dtype = DType::kU8}, blocks.size(), 32);
  Halves codes;
  Bits scales;
  Halves outer;
  for (const Bits& raw : blocks) {
    outer.push_back(half_at(raw, 0));
    for (std::size_t k = 0; k < 8; ++k) {
      const std::uint32_t signs =
          half_at(raw, 6 + 8 * k) | static_cast<std::uint32_t>(half_at(raw, 8 + 8 * k)) << 16;
      scales.push_back(byte(static_cast<int>(2 * (signs >> 28) + 1)));
      for (std::size_t j = 0; j < 4; ++j) {
        const std::uint32_t mask = signs >> (7 * j) & 127;
        codes.push_back(static_cast<std::uint16_t>(raw[2 + 8 * k + j] * 128U + mask));
      }
    }
  }
  const auto count = static_cast<std::int64_t>(blocks.size());
  w.codes = tensor_of(DType::kU16, {1, w.cols / 8}, codes);
  w.scales = u8({1, 8 * count}, scales);
  w.outer_scales = tensor_of(DType::kF16, {1, count}, outer);
  w.codebook = iq2_codebook();
  expect_values(w, gguf_values(entry));
}

// High nibble first.
Bits nibbles(const Bits& bytes) {
  Bits codes;
  for (const std::uint8_t b : bytes) {
    codes.push_back(b >> 4);
    codes.push_back(b & 15);
  }
  return codes;
}

Bits low_nibbles_first(const Tensor& bytes) {
  Bits codes;
  for (const std::uint8_t b : bytes.as<std::uint8_t>()) {
    codes.push_back(b & 15);
    codes.push_back(b >> 4);
  }
  return codes;
}

Values through_bf16(Values values) {
  for (float& value : values) value = bf16_to_f32(f32_to_bf16(value));
  return values;
}

Tensor reshaped(Tensor tensor, Shape shape) {
  tensor.shape = std::move(shape);
  return tensor;
}

QuantizedWeight bitsandbytes(const Json& entry, std::int64_t rows, std::int64_t cols,
                             const Bits& packed) {
  QuantizedWeight w;
  w.scheme = {.element = Element::kCodebook, .bits = 4, .grid = {.block_cols = 64, .flat = true}};
  w.rows = rows;
  w.cols = cols;
  w.codes = u8({rows, cols}, nibbles(packed));
  w.codebook = tensor_in(entry, "weight.quant_map");
  return w;
}

TEST(NeutralForm, HoldsNf4AndFp4) {
  const Json file = vectors("bitsandbytes");
  for (const char* name : {"nf4_b64", "fp4_b64"}) {
    const Json& entry = *file.find(name);
    const Tensor packed = tensor_in(entry, "weight");
    const auto bytes = packed.as<std::uint8_t>();
    QuantizedWeight w = bitsandbytes(entry, 8, 64, {bytes.begin(), bytes.end()});
    w.scales = reshaped(tensor_in(entry, "weight.absmax"), {1, 8});
    EXPECT_EQ(through_bf16(values_of(w)), expected_values(entry)) << name;
  }
}

TEST(NeutralForm, HoldsNestedStatistics) {
  const Json file = vectors("bitsandbytes");
  const Json& entry = *file.find("nf4_nested_b64");
  const Json& weight = *entry.at({"tensors", "weight"});
  const std::string head = from_hex(*weight.find("hex_le_first_64")->as_string());
  const auto state = parse_json(*entry.find("quant_state_json")->as_string());
  ASSERT_TRUE(state);
  const auto offset = static_cast<float>(*state->find("nested_offset")->as_double());

  QuantizedWeight w = bitsandbytes(entry, 2, 64, {head.begin(), head.end()});
  w.scheme.scale_dtype = DType::kU8;
  w.scheme.outer = OuterScale{.grid = {.block_cols = 64 * 256, .flat = true}};
  const Tensor absmax = tensor_in(entry, "weight.absmax");
  w.scales = u8({1, 2}, {absmax.as<std::uint8_t>()[0], absmax.as<std::uint8_t>()[1]});
  w.outer_scales = reshaped(tensor_in(entry, "weight.nested_absmax"), {1, 1});
  w.scale_codebook = tensor_in(entry, "weight.nested_quant_map");
  w.scale_offset = f32({1}, {offset});
  const Values values = through_bf16(values_of(w));
  const auto& expected = entry.find("dequant_first_128")->items();
  ASSERT_EQ(values.size(), expected.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(static_cast<double>(values[i]), *expected[i].as_double()) << "at " << i;
  }
}

TEST(NeutralForm, HoldsBitsandbytesInt8WithItsDivisor) {
  const Json file = vectors("bitsandbytes");
  const Json& entry = *file.find("int8");
  QuantizedWeight w;
  w.scheme = {.grid = Grid::channel(), .outer = OuterScale{.orientation = Orientation::kDivisor}};
  w.rows = 8;
  w.cols = 64;
  w.codes = tensor_in(entry, "weight");
  w.scales = reshaped(tensor_in(entry, "SCB"), {8, 1});
  w.outer_scales = f32({1, 1}, {127});
  const Values values = values_of(w);
  const Values expected = expected_values(entry);
  ASSERT_EQ(values.size(), expected.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    // The library multiplies by 1 / 127, rounded, and rounds again: two steps at most.
    EXPECT_NEAR(values[i], expected[i], 0x1p-22F * std::fabs(expected[i])) << "at " << i;
  }
}

QuantizedWeight nvfp4(const Json& entry, const char* packed, const char* global,
                      Orientation orientation) {
  const Tensor bytes = tensor_in(entry, packed);
  QuantizedWeight w;
  w.scheme = {.element = Element::kE2M1,
              .bits = 4,
              .grid = Grid::group(16),
              .scale_dtype = DType::kF8E4M3,
              .outer = OuterScale{.orientation = orientation}};
  w.rows = bytes.shape[0];
  w.cols = bytes.shape[1] * 2;
  w.codes = u8({w.rows, w.cols}, low_nibbles_first(bytes));
  w.scales = tensor_in(entry, "weight_scale");
  w.outer_scales = reshaped(tensor_in(entry, global), {1, 1});
  return w;
}

TEST(NeutralForm, HoldsTheGlobalScaleOfNvfp4InBothDirections) {
  const Json modelopt = vectors("modelopt");
  const Json& multiplied = *modelopt.find("nvfp4");
  Values values =
      values_of(nvfp4(multiplied, "weight", "weight_scale_2", Orientation::kMultiplier));
  Values expected = expected_values(multiplied);
  ASSERT_EQ(values.size(), expected.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    // The library rounds scale x global before it multiplies the code: one step at most.
    EXPECT_NEAR(values[i], expected[i], 0x1p-23F * std::fabs(expected[i])) << "at " << i;
  }
  const Json compressed = vectors("compressed_tensors");
  const Json& divided = *compressed.find("nvfp4");
  values = values_of(nvfp4(divided, "weight_packed", "weight_global_scale", Orientation::kDivisor));
  expected = expected_values(divided);
  ASSERT_EQ(values.size(), expected.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    // The library rounds the scale and the product to BF16, half a step of 2^-7 each.
    EXPECT_NEAR(values[i], expected[i], 0x1p-7F * std::fabs(expected[i])) << "at " << i;
  }
}

}  // namespace
}  // namespace requant
