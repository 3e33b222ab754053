#include "codec/gptq_testing.h"

namespace requant {
namespace {

using testing_support::expect_gptq_vector;
using testing_support::gptq_zero_word;
using testing_support::gptq_zeros_of;

const Codec& codec() { return *find_codec("gptq"); }

TEST(Gptq, RoundTrips) {
  for (const int bits : {2, 3, 4, 8}) {
    for (const bool permuted : {false, true}) {
      for (const DType dtype : {DType::kF16, DType::kBF16, DType::kF32}) {
        const Scheme scheme = {
            .bits = bits, .grid = Grid::group(32), .scale_dtype = dtype, .permuted = permuted};
        testing_support::expect_round_trip(codec(), scheme, 32, 96);
        if (dtype == DType::kF16) {
          testing_support::expect_refusal_when_cut(codec(), scheme, 32, 64);
        }
      }
    }
    const Scheme channel = {.bits = bits, .grid = Grid::channel(), .scale_dtype = DType::kF16};
    testing_support::expect_round_trip(codec(), channel, 32, 32);
  }
}

TEST(Gptq, ReadsWhatAutoGptqWrote) {
  for (const char* name : {"int4_sym", "int4_asym", "int4_sym_desc_act", "int8_sym", "int2_asym",
                           "int3_asym", "int3_sym_desc_act"}) {
    expect_gptq_vector(codec(), name, false);
  }
}

TEST(Gptq, HoldsRaggedGroups) {
  const Scheme scheme = {.bits = 4, .grid = Grid::group(64), .scale_dtype = DType::kF16};
  testing_support::expect_round_trip(codec(), scheme, 8, 96);
}

// The worked example of a zero point of 0, minus one field by field.
TEST(Gptq, TakesAFieldOfOnesForAZeroPointOf0) {
  EXPECT_EQ(gptq_zeros_of(codec(), gptq_zero_word(0x16f2e70f)),
            (std::vector<int>{0, 1, 8, 15, 3, 0, 7, 2}));
}

TEST(Gptq, WritesNoZeroPointOf0) {
  const auto parts = gptq_zero_word(0x16f2e70f);
  const auto weight = codec().decode(parts, *codec().scheme_of(parts, {.offset = Offset::kZero}));
  ASSERT_TRUE(weight);
  const auto back = codec().encode(*weight);
  ASSERT_FALSE(back);
  EXPECT_NE(back.error().message().find("gptq_v2"), std::string::npos);
}

TEST(Gptq, SaysThatSymmetricZeroPointsAreOfAnotherVersion) {
  const auto parts = gptq_zero_word(0x88888888);  // v2's
  const auto weight = codec().decode(parts, *codec().scheme_of(parts, {}));
  ASSERT_FALSE(weight);
  EXPECT_NE(weight.error().message().find("zero point of 9, expected 8"), std::string::npos);
}

TEST(Gptq, RefusesGroupsOutOfOrderThatTheConfigDoesNotDeclare) {
  const Scheme scheme = {
      .bits = 4, .grid = Grid::group(8), .scale_dtype = DType::kF16, .permuted = true};
  auto parts = codec().encode(testing_support::random_weight(scheme, 8, 32));
  ASSERT_TRUE(parts);
  Scheme plain = scheme;
  plain.permuted = false;
  const auto weight = codec().decode(*parts, plain);
  ASSERT_FALSE(weight);
  EXPECT_NE(weight.error().message().find("'g_idx' gives input"), std::string::npos);
  // Zeros are what some writers leave there when groups are in order.
  (*parts)["g_idx"] = testing_support::tensor_of(DType::kI32, {32}, std::vector<std::int32_t>(32));
  EXPECT_TRUE(codec().decode(*parts, plain));
  (*parts)["g_idx"] =
      testing_support::tensor_of(DType::kI32, {32}, std::vector<std::int32_t>(32, 4));
  EXPECT_FALSE(codec().decode(*parts, scheme));
}

TEST(Gptq, LeavesAwqTensorsAlone) {
  const WeightParts awq = {{"qweight", {DType::kI32, {64, 4}, {}}},
                           {"qzeros", {DType::kI32, {2, 4}, {}}},
                           {"scales", {DType::kF16, {2, 32}, {}}}};
  EXPECT_FALSE(codec().scheme_of(awq, {}));
}

}  // namespace
}  // namespace requant
