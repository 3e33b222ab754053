#include <gtest/gtest.h>

#include <cstring>

#include "codec/codec.h"
#include "codec/testing.h"
#include "kernel/dense.h"
#include "quant/testing.h"
#include "support/support.h"

namespace requant {
namespace {

using testing_support::tensor_in;
using testing_support::tensor_of;

const Codec& codec() { return *find_codec("awq-gemm"); }

constexpr Grid kGroup4 = Grid::group(4);

TEST(AwqGemm, RoundTrips) {
  for (const DType dtype : {DType::kF16, DType::kBF16}) {
    for (const Grid& grid : {kGroup4, Grid::channel()}) {
      for (const Offset offset : {Offset::kZero, Offset::kNone}) {
        const Scheme scheme = {.bits = 4, .grid = grid, .scale_dtype = dtype, .offset = offset};
        testing_support::expect_round_trip(codec(), scheme, 16, 12);
        testing_support::expect_refusal_when_cut(codec(), scheme, 8, 12);
      }
    }
  }
}

TEST(AwqGemm, ReadsWhatAutoAwqWrote) {
  const Json file = testing_support::vectors("awq");
  const Json& entry = *file.find("gemm");
  const WeightParts parts = {{"qweight", tensor_in(entry, "qweight")},
                             {"qzeros", tensor_in(entry, "qzeros")},
                             {"scales", tensor_in(entry, "scales")}};
  const auto scheme = codec().scheme_of(parts, {});
  ASSERT_TRUE(scheme);
  EXPECT_EQ(describe(*scheme), "int4 per group 32, scale F16, zero points");
  const auto weight = codec().decode(parts, *scheme);
  ASSERT_TRUE(weight) << weight.error().message();
  // AutoAWQ multiplies in F16: one rounding.
  const auto dense = to_f32(*kernel::dense_tensor(*weight, DType::kF16));
  ASSERT_TRUE(dense);
  const std::string bytes =
      testing_support::from_hex(*entry.at({"dequant_KN", "f32_hex_le"})->as_string());
  std::vector<float> transposed(bytes.size() / sizeof(float));
  std::memcpy(transposed.data(), bytes.data(), bytes.size());
  ASSERT_EQ(transposed.size(), 64U * 32U);
  for (std::size_t n = 0; n < 32; ++n) {
    for (std::size_t k = 0; k < 64; ++k) {
      ASSERT_EQ(dense->as<float>()[n * 64 + k], transposed[k * 32 + n]) << n << ", " << k;
    }
  }
  const auto back = codec().encode(*weight);
  ASSERT_TRUE(back);
  for (const auto& [name, tensor] : parts) EXPECT_TRUE(same_bits(back->at(name), tensor)) << name;
}

TEST(AwqGemm, TakesMissingZeroPointsForEight) {
  const WeightParts parts = {
      {"qweight", tensor_of<std::uint32_t>(DType::kI32, {1, 1}, {0x75316420})},
      {"scales",
       tensor_of<std::uint16_t>(DType::kF16, {1, 8}, std::vector<std::uint16_t>(8, 0x3C00))}};
  const auto weight = codec().decode(parts, *codec().scheme_of(parts, {}));
  ASSERT_TRUE(weight) << weight.error().message();
  EXPECT_EQ(testing_support::values_of(*weight),
            (std::vector<float>{-8, -7, -6, -5, -4, -3, -2, -1}));
}

TEST(AwqGemm, LeavesGptqTensorsAlone) {
  const WeightParts gptq = {{"qweight", {DType::kI32, {8, 32}, {}}},
                            {"qzeros", {DType::kI32, {2, 4}, {}}},
                            {"scales", {DType::kF16, {2, 32}, {}}}};
  EXPECT_FALSE(codec().scheme_of(gptq, {}));
}

}  // namespace
}  // namespace requant
