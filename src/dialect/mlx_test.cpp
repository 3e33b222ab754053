#include <gtest/gtest.h>

#include "dialect/testing.h"

namespace requant {
namespace {

using testing_support::FakeCheckpoint;
using testing_support::has_rule;

const Dialect& dialect() { return *find_dialect("mlx"); }

// 4 bits in groups of 64, of 128 inputs.
std::vector<FakeCheckpoint::Entry> affine(const std::string& module) {
  return {{module + ".weight", DType::kU32, {8, 16}},
          {module + ".scales", DType::kBF16, {8, 2}},
          {module + ".biases", DType::kBF16, {8, 2}}};
}

constexpr std::string_view kFour = R"({"quantization":{"group_size":64,"bits":4}})";

TEST(MlxDialect, IsToldByItsTensors) {
  const FakeCheckpoint fake("{}", affine("a"));
  EXPECT_EQ(dialect().recognize(fake.facts()).match, Match::kYes);
}

TEST(MlxDialect, TakesBitsAndGroupFromTheConfig) {
  const FakeCheckpoint fake(kFour, affine("a"));
  const auto resolution = dialect().resolve(fake.facts());
  ASSERT_TRUE(resolution) << resolution.error().message();
  ASSERT_EQ(resolution->weights.size(), 1U);
  EXPECT_EQ(describe(resolution->weights[0].scheme), "int4 per group 64, scale BF16, minima");
  EXPECT_EQ(resolution->weights[0].cols, 128);
  EXPECT_TRUE(resolution->findings.empty());
}

TEST(MlxDialect, ReadsTheBlockUnderItsOtherNameToo) {
  const FakeCheckpoint fake(R"({"quantization_config":{"group_size":64,"bits":4}})", affine("a"));
  EXPECT_TRUE(dialect().resolve(fake.facts()));
}

TEST(MlxDialect, RefusesAffineCodesWithoutAWordInTheConfig) {
  const FakeCheckpoint fake("{}", affine("a"));
  const auto resolution = dialect().resolve(fake.facts());
  ASSERT_FALSE(resolution);
  EXPECT_EQ(resolution.error().code(), ErrorCode::kRefused);
  EXPECT_EQ(resolution.error().message(),
            "a.weight is U32 [8, 16]: without config.json's 'quantization' its bits and groups are "
            "not known");
}

TEST(MlxDialect, ModulesOfTheConfigHaveSchemesOfTheirOwn) {
  auto tensors = affine("a");
  tensors.push_back({"b.weight", DType::kU32, {8, 32}});
  tensors.push_back({"b.scales", DType::kBF16, {8, 2}});
  tensors.push_back({"b.biases", DType::kBF16, {8, 2}});
  tensors.push_back({"c.weight", DType::kU32, {8, 16}});
  tensors.push_back({"c.scales", DType::kU8, {8, 4}});
  // A group that is null is that of all.
  const FakeCheckpoint fake(
      R"({"quantization":{"group_size":64,"bits":4,
          "b":{"group_size":null,"bits":8},"c":{"mode":"mxfp4"}}})",
      tensors);
  const auto resolution = dialect().resolve(fake.facts());
  ASSERT_TRUE(resolution) << resolution.error().message();
  ASSERT_EQ(resolution->weights.size(), 3U);
  EXPECT_EQ(describe(resolution->weights[1].scheme), "int8 per group 64, scale BF16, minima");
  EXPECT_EQ(describe(resolution->weights[2].scheme), "e2m1 per group 32, scale F8_E8M0");
  EXPECT_TRUE(resolution->findings.empty());
}

TEST(MlxDialect, SaysWhichShapesDoNotFitTheConfig) {
  const FakeCheckpoint fake(R"({"quantization":{"group_size":32,"bits":4}})", affine("a"));
  const auto resolution = dialect().resolve(fake.facts());
  ASSERT_FALSE(resolution);
  EXPECT_EQ(resolution.error().message(),
            "a.weight is U32 [8, 16], a.scales is BF16 [8, 2], a.biases is BF16 [8, 2], expected "
            "those of affine 4 bits in groups of 32, as config.json: quantization says");
}

TEST(MlxDialect, FindsWhatTheConfigSaysWrong) {
  const FakeCheckpoint off(R"({"quantization":{"group_size":64,"bits":4,"a":false}})", affine("a"));
  const auto resolution = dialect().resolve(off.facts());
  ASSERT_TRUE(resolution) << resolution.error().message();
  EXPECT_TRUE(has_rule(resolution->findings, "config.scheme-disagrees"));
}

TEST(MlxDialect, NamesWordsWithoutScales) {
  const FakeCheckpoint fake(kFour, {{"a.weight", DType::kU32, {8, 16}}});
  EXPECT_EQ(dialect().resolve(fake.facts()).error().message(),
            "a.weight is U32 [8, 16], and there are no scales beside it");
  const FakeCheckpoint other(kFour, {{"a.scales", DType::kBF16, {8, 2}}});
  EXPECT_EQ(dialect().resolve(other.facts()).error().message(),
            "a.scales is BF16 [8, 2], and there are no words of codes beside it");
}

TEST(MlxDialect, CountsTheRowsOfAllExperts) {
  const FakeCheckpoint fake(kFour, {{"a.weight", DType::kU32, {4, 8, 16}},
                                    {"a.scales", DType::kBF16, {4, 8, 2}},
                                    {"a.biases", DType::kBF16, {4, 8, 2}}});
  const auto resolution = dialect().resolve(fake.facts());
  ASSERT_TRUE(resolution) << resolution.error().message();
  EXPECT_EQ(resolution->weights[0].experts, 4);
  EXPECT_EQ(resolution->weights[0].rows, 32);
}

}  // namespace
}  // namespace requant
