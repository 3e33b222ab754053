// Against what bitsandbytes 0.50.2 made of the same weights on a CPU.
#include "quant/round_to_codebook.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "quant/round_to_nearest.h"
#include "quant/testing.h"
#include "support/support.h"
#include "tensor/float_formats.h"

namespace requant {
namespace {

using testing_support::f32;
using testing_support::tensor_in;
using testing_support::tensor_of;

Scheme flat(std::string codebook, std::int64_t block = 64) {
  Scheme scheme{.element = Element::kCodebook, .bits = 4};
  scheme.grid = {.block_cols = block, .flat = true};
  scheme.codebook = std::move(codebook);
  return scheme;
}

Scheme nested(std::string codebook) {
  Scheme scheme = flat(std::move(codebook));
  scheme.scale_dtype = DType::kU8;
  scheme.outer = OuterScale{.grid = {.block_cols = 64 * 256, .flat = true}};
  return scheme;
}

Tensor bf16_input(const Json& entry) {
  std::vector<std::uint16_t> bits;
  for (const Json& value : entry.at({"input", "values_f32"})->items()) {
    bits.push_back(f32_to_bf16(static_cast<float>(*value.as_double())));
  }
  return tensor_of(DType::kBF16, {8, 64}, bits);
}

std::vector<std::uint8_t> packed(const QuantizedWeight& weight, std::size_t bytes) {
  const auto codes = weight.codes.as<std::uint8_t>();
  std::vector<std::uint8_t> out(bytes);
  for (std::size_t i = 0; i < bytes; ++i) {
    out[i] = static_cast<std::uint8_t>(codes[2 * i] << 4 | codes[2 * i + 1]);
  }
  return out;
}

std::vector<std::uint8_t> bytes_in(std::string_view hex) {
  const std::string bytes = testing_support::from_hex(hex);
  return {bytes.begin(), bytes.end()};
}

TEST(RoundToCodebook, GivesTheCodesAndScalesOfTheLibrary) {
  const Json file = testing_support::vectors("bitsandbytes");
  for (const std::string type : {"nf4", "fp4"}) {
    const Json& entry = *file.find(type + "_b64");
    const auto weight = round_to_nearest(bf16_input(entry), flat(type));
    ASSERT_TRUE(weight) << weight.error().message();
    const Tensor expected = tensor_in(entry, "weight");
    EXPECT_TRUE(std::ranges::equal(packed(*weight, 256), expected.as<std::uint8_t>())) << type;
    const Tensor absmax = tensor_in(entry, "weight.absmax");
    EXPECT_TRUE(std::ranges::equal(weight->scales.as<float>(), absmax.as<float>())) << type;
    EXPECT_EQ(weight->dialect_private.at("dtype").bytes.text(), "bfloat16");
  }
}

// The rule by which the vectors' weight was made.
Tensor ruled_input() {
  std::vector<std::uint16_t> bits;
  for (int n = 0; n < 32; ++n) {
    for (int k = 0; k < 512; ++k) {
      const int number = (n * 7 + k * 13 + (n * k) % 11) % 61 - 30;
      bits.push_back(f32_to_bf16(static_cast<float>(number) / 16));
    }
  }
  return tensor_of(DType::kBF16, {32, 512}, bits);
}

TEST(RoundToCodebook, NestsScalesAsTheLibraryDoes) {
  const Json file = testing_support::vectors("bitsandbytes");
  for (const std::string type : {"nf4", "fp4"}) {
    const Json& entry = *file.find(type + "_nested_b64");
    const auto weight = round_to_nearest(ruled_input(), nested(type));
    ASSERT_TRUE(weight) << weight.error().message();
    EXPECT_EQ(packed(*weight, 64),
              bytes_in(*entry.at({"tensors", "weight", "hex_le_first_64"})->as_string()));
    const Tensor absmax = tensor_in(entry, "weight.absmax");
    EXPECT_TRUE(std::ranges::equal(weight->scales.as<std::uint8_t>(), absmax.as<std::uint8_t>()));
    const Tensor outer = tensor_in(entry, "weight.nested_absmax");
    EXPECT_TRUE(std::ranges::equal(weight->outer_scales.as<float>(), outer.as<float>()));
    EXPECT_EQ(weight->scale_offset.as<float>()[0], 1.862060546875F);
  }
}

TEST(RoundToCodebook, ZeroBlocksAndRaggedOnesHaveCodesOfTheirOwn) {
  std::vector<float> values(70, 0.0F);
  values[66] = -0.5F;
  const auto weight = round_to_nearest(f32({1, 70}, values), flat("nf4"));
  ASSERT_TRUE(weight) << weight.error().message();
  EXPECT_EQ(weight->scales.as<float>()[0], 0.0F);
  EXPECT_EQ(weight->scales.as<float>()[1], 0.5F);
  EXPECT_EQ(testing_support::values_of(*weight), values);
}

TEST(RoundToCodebook, RefusesWhatIsNoNumberAndNamesItsRow) {
  std::vector<float> values(128, 1.0F);
  values[100] = std::numeric_limits<float>::infinity();
  const auto weight = round_to_nearest(f32({2, 64}, values), flat("fp4"));
  ASSERT_FALSE(weight);
  EXPECT_NE(weight.error().message().find("row 1"), std::string::npos);
}

TEST(RoundToCodebook, NeedsACodebookThatItKnows) {
  EXPECT_FALSE(can_round_to_codebook(flat("")));
  EXPECT_FALSE(can_round_to_codebook(flat("dynamic8")));
  EXPECT_TRUE(can_round_to_codebook(nested("nf4")));
}

}  // namespace
}  // namespace requant
