#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <string>

#include "codec/codec.h"
#include "codec/testing.h"
#include "quant/testing.h"
#include "tensor/float_formats.h"

namespace requant {
namespace {

using testing_support::f32;
using testing_support::tensor_in;
using testing_support::u8;
using testing_support::values_of;

const Codec& codec() { return *find_codec("fp8-scale-inv"); }

Activations per_group(std::int64_t group) {
  return {.kind = ActivationKind::kDynamic,
          .element = Element::kE4M3Fn,
          .granularity = Granularity::kGroup,
          .group = group};
}

std::vector<Scheme> schemes() {
  return {
      {.element = Element::kE4M3Fn, .grid = Grid::block(4, 8), .activations = per_group(8)},
      {.element = Element::kE4M3Fn, .grid = Grid::block(4, 8), .scale_dtype = DType::kF8E8M0},
      {.element = Element::kE5M2, .grid = Grid::block(4, 8), .scale_dtype = DType::kBF16},
      {.element = Element::kE4M3Fn, .grid = Grid::tensor()},
      {.element = Element::kE4M3Fn,
       .grid = Grid::tensor(),
       .activations = Activations::static_tensor(Element::kE4M3Fn)},
  };
}

TEST(Fp8ScaleInv, RoundTrips) {
  for (const Scheme& scheme : schemes()) {
    testing_support::expect_round_trip(codec(), scheme, 6, 20);
  }
}

TEST(Fp8ScaleInv, RefusesCutAndMangledTensors) {
  for (const Scheme& scheme : schemes()) {
    testing_support::expect_refusal_when_cut(codec(), scheme, 6, 20);
  }
}

TEST(Fp8ScaleInv, MultipliesAlsoInRaggedBlocks) {
  const Json file = testing_support::vectors("fp8");
  const Json& entry = *file.find("block_4x8_of_6x20");
  const WeightParts parts = {{"weight", tensor_in(entry, "weight")},
                             {"weight_scale_inv", tensor_in(entry, "weight_scale_inv")}};
  const auto scheme = codec().scheme_of(parts, {.grid = Grid::block(4, 8)});
  ASSERT_TRUE(scheme);
  const auto weight = codec().decode(parts, *scheme);
  ASSERT_TRUE(weight) << weight.error().message();
  const Json named = Json::object({{"dequant", *entry.find("dequant_f32")}});
  EXPECT_EQ(values_of(*weight), testing_support::expected_values(named));
  const auto back = codec().encode(*weight);
  ASSERT_TRUE(back);
  for (const auto& [name, tensor] : parts) EXPECT_TRUE(same_bits(back->at(name), tensor)) << name;
}

TEST(Fp8ScaleInv, KnowsTheBlocksOfDeepSeekWithoutAConfig) {
  const WeightParts parts = {{"weight", {DType::kF8E4M3, {576, 7168}, {}}},
                             {"weight_scale_inv", {DType::kF32, {5, 56}, {}}}};
  EXPECT_EQ(codec().scheme_of(parts, {})->grid, Grid::block(128, 128));
}

TEST(Fp8ScaleInv, ReadsPowersOfTwoStoredAsBytes) {
  const Tensor weight =
      testing_support::tensor_of<std::uint8_t>(DType::kF8E4M3, {1, 2}, {0x38, 0x40});
  const WeightParts parts = {{"weight", weight}, {"weight_scale_inv", u8({1, 1}, {126})}};
  const auto scheme = codec().scheme_of(parts, {});
  ASSERT_TRUE(scheme);
  EXPECT_EQ(scheme->scale_dtype, DType::kF8E8M0);
  const auto decoded = codec().decode(parts, *scheme);
  ASSERT_TRUE(decoded) << decoded.error().message();
  EXPECT_EQ(values_of(*decoded), (std::vector<float>{0.5F, 1}));
  EXPECT_EQ(codec().encode(*decoded)->at("weight_scale_inv").dtype, DType::kF8E8M0);
}

// torch's own tables of every byte. null is NaN.
TEST(Fp8Numbers, AreThoseOfTorch) {
  const Json file = testing_support::vectors("fp8");
  std::vector<std::uint8_t> bytes(256);
  std::iota(bytes.begin(), bytes.end(), std::uint8_t{0});
  const std::pair<const char*, DType> kTables[] = {{"F8_E4M3", DType::kF8E4M3},
                                                   {"F8_E5M2", DType::kF8E5M2},
                                                   {"F8_E4M3FNUZ", DType::kF8E4M3Fnuz},
                                                   {"F8_E5M2FNUZ", DType::kF8E5M2Fnuz},
                                                   {"F8_E8M0", DType::kF8E8M0}};
  for (const auto& [name, dtype] : kTables) {
    const auto& table = file.at({"tables", name})->items();
    ASSERT_EQ(table.size(), 256U);
    const Tensor all = testing_support::tensor_of(dtype, {256}, bytes);
    for (std::int64_t i = 0; i < 256; ++i) {
      const Json& expected = table[static_cast<std::size_t>(i)];
      const double value = element_as_double(all, i);
      if (expected.is_null()) {
        EXPECT_TRUE(std::isnan(value)) << name << " " << i;
      } else if (expected.is_string()) {
        EXPECT_TRUE(std::isinf(value)) << name << " " << i;
      } else {
        EXPECT_EQ(static_cast<float>(value), static_cast<float>(*expected.as_double()))
            << name << " " << i;
      }
    }
  }
  for (const Json& pair : file.find("f32_to_e4m3fn_torch")->items()) {
    const float value = std::stof(std::string(*pair.find("in")->as_string()));
    EXPECT_EQ(f32_to_e4m3fn(value), *pair.find("byte")->as_int()) << value;
  }
}

TEST(Fp8ScaleInv, LeavesIntegersAlone) {
  const WeightParts parts = {{"weight", {DType::kI8, {8, 16}, {}}},
                             {"weight_scale_inv", {DType::kF32, {}, {}}}};
  EXPECT_FALSE(codec().scheme_of(parts, {}));
}

}  // namespace
}  // namespace requant
