#include <gtest/gtest.h>

#include "base/hash.h"
#include "codec/codec.h"
#include "codec/testing.h"
#include "quant/testing.h"
#include "support/support.h"
#include "tensor/float_formats.h"

namespace requant {
namespace {

const Codec& codec() { return *find_codec("gptq-marlin"); }

Scheme scheme_with(const Grid& grid) {
  return {.bits = 4, .grid = grid, .scale_dtype = DType::kF16};
}

TEST(GptqMarlin, RoundTrips) {
  testing_support::expect_round_trip(codec(), scheme_with(Grid::group(128)), 128, 256);
  testing_support::expect_round_trip(codec(), scheme_with(Grid::channel()), 64, 80);
  testing_support::expect_refusal_when_cut(codec(), scheme_with(Grid::channel()), 64, 32);
}

// The codes and scales of the vectors' rules: u = (7n + 13k + (nk mod 11)) mod 16,
// s = (1 + ((3n + j) mod 5) / 8) / 64.
QuantizedWeight by_rule(const Grid& grid, std::int64_t rows, std::int64_t cols) {
  QuantizedWeight w;
  w.scheme = scheme_with(grid);
  w.rows = rows;
  w.cols = cols;
  const std::int64_t groups = grid.cols_of(rows, cols);
  std::vector<std::int8_t> codes;
  std::vector<std::uint16_t> scales;
  for (std::int64_t n = 0; n < rows; ++n) {
    for (std::int64_t k = 0; k < cols; ++k) {
      codes.push_back(static_cast<std::int8_t>((7 * n + 13 * k + n * k % 11) % 16 - 8));
    }
    for (std::int64_t j = 0; j < groups; ++j) {
      scales.push_back(f32_to_f16((1 + static_cast<float>((3 * n + j) % 5) / 8) / 64));
    }
  }
  w.codes = testing_support::i8({rows, cols}, codes);
  w.scales = testing_support::tensor_of(DType::kF16, {rows, groups}, scales);
  return w;
}

TEST(GptqMarlin, WritesTheWordsOfAutoGptq) {
  const Json file = testing_support::vectors("gptq_marlin");
  for (const auto& [name, grid] :
       {std::pair("g128", Grid::group(128)), std::pair("g-1", Grid::channel())}) {
    const Json& entry = *file.find(name);
    const QuantizedWeight weight =
        by_rule(grid, *entry.find("N")->as_int(), *entry.find("K")->as_int());
    const auto parts = codec().encode(weight);
    ASSERT_TRUE(parts) << parts.error().message();
    EXPECT_EQ(sha256_hex(parts->at("B").bytes.span()), *entry.find("B_sha256_le")->as_string());
    EXPECT_EQ(sha256_hex(parts->at("s").bytes.span()), *entry.find("s_sha256_le")->as_string());
    const auto again = codec().decode(*parts, *codec().scheme_of(*parts, weight.scheme));
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_TRUE(same_bits(again->codes, weight.codes));
    EXPECT_TRUE(same_bits(again->scales, weight.scales));
  }
}

}  // namespace
}  // namespace requant
