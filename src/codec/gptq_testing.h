#pragma once

#include <gtest/gtest.h>

#include <string>

#include "codec/codec.h"
#include "codec/testing.h"
#include "quant/testing.h"
#include "support/support.h"

namespace requant::testing_support {

// An entry of vectors/gptq.json as tensors: v1, or v2 with `qzeros` in place of v1's.
inline WeightParts gptq_parts(const Json& entry, bool v2) {
  WeightParts parts;
  for (const char* name : {"qweight", "qzeros", "scales", "g_idx"}) {
    parts[name] = tensor_in(*entry.at({"v1", name}));
  }
  if (v2) parts["qzeros"] = tensor_in(*entry.find("v2_qzeros"));
  return parts;
}

// What AutoGPTQ computed from the tensors is what the codec decodes, and they come back byte for
// byte.
inline void expect_gptq_vector(const Codec& codec, const std::string& name, bool v2,
                               bool has_order = true) {
  SCOPED_TRACE(name);
  const Json file = vectors("gptq");
  const Json& entry = *file.find(name);
  WeightParts parts = gptq_parts(entry, v2);
  if (!has_order) parts.erase("g_idx");
  Scheme declared;
  declared.grid = Grid::group(32);
  declared.offset = name.find("asym") == std::string::npos ? Offset::kNone : Offset::kZero;
  declared.permuted = name.find("desc_act") != std::string::npos;
  const auto scheme = codec.scheme_of(parts, declared);
  ASSERT_TRUE(scheme);
  EXPECT_EQ(scheme->bits, *entry.find("bits")->as_int());
  EXPECT_EQ(scheme->permuted, declared.permuted);
  const auto weight = codec.decode(parts, *scheme);
  ASSERT_TRUE(weight) << weight.error().message();
  const auto codes = weight->codes.as<std::int8_t>();
  const auto& expected_codes = entry.find("codes_NK")->items();
  ASSERT_EQ(codes.size(), expected_codes.size());
  for (std::size_t i = 0; i < codes.size(); ++i) {
    ASSERT_EQ(codes[i] + (1 << (scheme->bits - 1)), *expected_codes[i].as_int()) << i;
  }
  const std::string bytes = from_hex(*entry.at({"dequant_NK", "f32_hex_le"})->as_string());
  std::vector<float> expected(bytes.size() / sizeof(float));
  std::memcpy(expected.data(), bytes.data(), bytes.size());
  EXPECT_EQ(values_of(*weight), expected);
  const auto back = codec.encode(*weight);
  ASSERT_TRUE(back) << back.error().message();
  EXPECT_EQ(back->size(), parts.size());
  for (const auto& [part, tensor] : parts) EXPECT_TRUE(same_bits(back->at(part), tensor)) << part;
}

// Groups of 32 in their order, of all widths.
inline void expect_gptq_round_trips(const Codec& codec, Offset offset) {
  for (const int bits : {2, 3, 4, 8}) {
    const Scheme scheme = {
        .bits = bits, .grid = Grid::group(32), .scale_dtype = DType::kF16, .offset = offset};
    expect_round_trip(codec, scheme, 32, 64);
    expect_refusal_when_cut(codec, scheme, 32, 64);
  }
}

// Files with g_idx are for others, and inputs in another order are refused.
inline void expect_no_gptq_order(const Codec& codec, bool v2) {
  const Json file = vectors("gptq");
  const WeightParts parts = gptq_parts(*file.find("int4_sym"), v2);
  EXPECT_FALSE(codec.scheme_of(parts, {.grid = Grid::group(32)}));
  const Scheme scheme = {
      .bits = 4, .grid = Grid::group(32), .scale_dtype = DType::kF16, .permuted = true};
  EXPECT_FALSE(codec.holds(scheme));
  EXPECT_FALSE(codec.layout(scheme, 32, 64));
}

// One input group of 8 outputs whose zero points are the fields of `word`, 4 bits.
inline WeightParts gptq_zero_word(std::uint32_t word) {
  return {{"qweight", tensor_of<std::uint32_t>(DType::kI32, {1, 8}, std::vector<std::uint32_t>(8))},
          {"qzeros", tensor_of<std::uint32_t>(DType::kI32, {1, 1}, {word})},
          {"scales",
           tensor_of<std::uint16_t>(DType::kF16, {1, 8}, std::vector<std::uint16_t>(8, 0x3C00))}};
}

inline std::vector<int> gptq_zeros_of(const Codec& codec, const WeightParts& parts) {
  const auto weight = codec.decode(parts, *codec.scheme_of(parts, {.offset = Offset::kZero}));
  EXPECT_TRUE(weight) << weight.error().message();
  std::vector<int> zeros;
  if (!weight) return zeros;
  for (const std::int16_t zero : weight->zeros.as<std::int16_t>()) zeros.push_back(zero + 8);
  return zeros;
}

}  // namespace requant::testing_support
