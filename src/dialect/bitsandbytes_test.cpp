#include <gtest/gtest.h>

#include "dialect/testing.h"

namespace requant {
namespace {

using testing_support::FakeCheckpoint;
using testing_support::has_rule;

const Dialect& dialect() { return *find_dialect("bitsandbytes"); }

constexpr std::string_view kConfig = R"({"quantization_config":{"quant_method":"bitsandbytes"}})";

TEST(BitsandbytesDialect, IsToldByItsTensors) {
  const FakeCheckpoint four("{}", {{"a.weight", DType::kU8, {64, 1}},
                                   {"a.weight.absmax", DType::kF32, {2}},
                                   {"a.weight.quant_state.bitsandbytes__nf4", DType::kU8, {80}}});
  EXPECT_EQ(dialect().recognize(four.facts()).match, Match::kYes);
  const FakeCheckpoint eight("{}", {{"a.weight", DType::kI8, {8, 4}}, {"a.SCB", DType::kF32, {8}}});
  EXPECT_EQ(dialect().recognize(eight.facts()).match, Match::kYes);
}

TEST(BitsandbytesDialect, ResolvesInt8) {
  const FakeCheckpoint fake(kConfig, {{"a.weight", DType::kI8, {8, 4}},
                                      {"a.SCB", DType::kF32, {8}},
                                      {"a.weight_format", DType::kU8, {}}});
  const auto resolution = dialect().resolve(fake.facts());
  ASSERT_TRUE(resolution) << resolution.error().message();
  EXPECT_EQ(describe(resolution->weights[0].scheme),
            "int8 per channel, scale F32, outer scale F32 per tensor (divisor), activations int8 "
            "dynamic per token");
  EXPECT_EQ(resolution->weights[0].parts.size(), 3U);
}

TEST(BitsandbytesDialect, SaysThatADenseRepositoryIsDense) {
  const FakeCheckpoint fake(kConfig, {{"a.weight", DType::kBF16, {8, 4}}});
  EXPECT_EQ(dialect().recognize(fake.facts()).match, Match::kMaybe);
  const auto resolution = dialect().resolve(fake.facts());
  ASSERT_TRUE(resolution);
  EXPECT_TRUE(resolution->weights.empty());
  EXPECT_TRUE(has_rule(resolution->findings, "bitsandbytes.not-quantised"));
}

TEST(BitsandbytesDialect, NamesWhatContradicts) {
  const auto message = [](const std::vector<FakeCheckpoint::Entry>& entries) {
    const FakeCheckpoint fake(kConfig, entries);
    const auto resolution = dialect().resolve(fake.facts());
    return resolution ? std::string() : resolution.error().message();
  };
  EXPECT_EQ(message({{"a.SCB", DType::kF32, {8}}}),
            "a.SCB is F32 [8], and there is no weight beside it");
  EXPECT_EQ(message({{"a.weight", DType::kI8, {8, 4}}, {"a.SCB", DType::kF32, {9}}}),
            "a.SCB is F32 [9], expected F32 [out] for a.weight is I8 [8, 4]");
  EXPECT_EQ(message({{"a.weight", DType::kU8, {64, 1}}, {"a.weight.absmax", DType::kF32, {2}}}),
            "a.weight.absmax is F32 [2], and there is no quant_state beside it");
  EXPECT_EQ(message({{"a.other.quant_state.bitsandbytes__nf4", DType::kU8, {80}}}),
            "a.other.quant_state.bitsandbytes__nf4 is U8 [80], expected the text of a weight's "
            "state");
}

}  // namespace
}  // namespace requant
