#include <gtest/gtest.h>

#include "dialect/testing.h"

namespace requant {
namespace {

using testing_support::FakeCheckpoint;
using testing_support::has_rule;

const Dialect& dialect() { return *find_dialect("dense"); }

TEST(Dense, IsWhatIsLeftWhenEveryWeightIsOfFloats) {
  const FakeCheckpoint fake("{}", {{"a.weight", DType::kBF16, {4, 4}}});
  EXPECT_EQ(dialect().recognize(fake.facts()).match, Match::kYes);
  EXPECT_EQ(dialects().back(), &dialect());
}

TEST(Dense, SaysThatCodesWithoutScalesHaveNoMeaning) {
  const FakeCheckpoint fake("{}", {{"a.weight", DType::kF8E4M3, {4, 4}}});
  EXPECT_EQ(dialect().recognize(fake.facts()).match, Match::kMaybe);
  EXPECT_TRUE(has_rule(dialect().resolve(fake.facts())->findings, "tensor.dtype"));
}

TEST(Dense, SaysWhenTheConfigStatesAQuantisation) {
  const FakeCheckpoint fake(R"({"quantization_config":{"quant_method":"gptq","bits":4}})",
                            {{"a.weight", DType::kBF16, {4, 4}}});
  EXPECT_TRUE(has_rule(dialect().resolve(fake.facts())->findings, "config.method-but-dense"));
}

}  // namespace
}  // namespace requant
