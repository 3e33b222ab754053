#include "dialect/recognised_only.h"

#include <gtest/gtest.h>

#include <set>

#include "dialect/testing.h"

namespace requant {
namespace {

using testing_support::FakeCheckpoint;

Match match(std::string_view dialect, std::string_view config,
            const std::vector<FakeCheckpoint::Entry>& tensors) {
  const FakeCheckpoint fake(config, tensors);
  return find_dialect(dialect)->recognize(fake.facts()).match;
}

TEST(RecognisedOnly, TensorsOfItsOwnAreEnough) {
  EXPECT_EQ(
      match("exl2", "{}", {{"a.q_weight", DType::kI32, {8, 16}}, {"a.q_perm", DType::kI32, {64}}}),
      Match::kYes);
  EXPECT_EQ(
      match("mlx", "{}", {{"a.weight", DType::kU32, {8, 2}}, {"a.scales", DType::kBF16, {8, 1}}}),
      Match::kYes);
  EXPECT_EQ(
      match("bitsandbytes", "{}", {{"a.weight.quant_state.bitsandbytes__nf4", DType::kU8, {80}}}),
      Match::kYes);
}

TEST(RecognisedOnly, SharedTensorsNeedTheConfigsWord) {
  const std::vector<FakeCheckpoint::Entry> fp8 = {{"a.weight", DType::kF8E4M3, {8, 4}},
                                                  {"a.weight_scale", DType::kF32, {8, 1}}};
  EXPECT_EQ(match("fbgemm_fp8", "{}", fp8), Match::kNo);
  EXPECT_EQ(match("fbgemm_fp8", R"({"quantization_config":{"quant_method":"fbgemm_fp8"}})", fp8),
            Match::kYes);
}

TEST(RecognisedOnly, IsRefusedByName) {
  for (const Dialect* dialect : recognised_only()) {
    const FakeCheckpoint fake("{}", {});
    const auto resolution = dialect->resolve(fake.facts());
    ASSERT_FALSE(resolution);
    EXPECT_EQ(resolution.error().code(), ErrorCode::kRefused);
    EXPECT_NE(resolution.error().message().find(dialect->name), std::string::npos);
  }
}

TEST(Dialects, HaveNamesOfTheirOwnAndSources) {
  std::set<std::string_view> names;
  for (const Dialect* dialect : dialects()) {
    EXPECT_TRUE(names.insert(dialect->name).second) << dialect->name;
    EXPECT_FALSE(dialect->source.empty()) << dialect->name;
    EXPECT_FALSE(dialect->long_name.empty()) << dialect->name;
    EXPECT_EQ(find_dialect(dialect->name), dialect);
  }
}

}  // namespace
}  // namespace requant
