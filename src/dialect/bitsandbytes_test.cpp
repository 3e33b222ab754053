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

Scheme nf4() {
  Scheme scheme{.element = Element::kCodebook, .bits = 4};
  scheme.grid = {.block_cols = 64, .flat = true};
  scheme.codebook = "nf4";
  return scheme;
}

Result<Json> config_of(const std::vector<TargetWeight>& quantized,
                       const std::vector<TargetWeight>& unquantized,
                       std::string_view source = R"({"dtype": "float16"})") {
  const Json config = *parse_json(source);
  return dialect().quantization_config({.config = config,
                                        .architecture = Architecture::of(config),
                                        .quantized = quantized,
                                        .unquantized = unquantized});
}

TEST(BitsandbytesDialect, WritesItsConfig) {
  TargetWeight head{"lm_head", {}, Scheme::dense(DType::kBF16)};
  head.place.role = Role::kLmHead;
  TargetWeight tower{"vision.fc1", {}, Scheme::dense(DType::kBF16)};
  tower.place.role = Role::kLinear;
  const auto plain = config_of({{"a", {}, nf4()}}, {head});
  ASSERT_TRUE(plain) << plain.error().message();
  EXPECT_EQ(plain->find("bnb_4bit_quant_type")->as_string(), "nf4");
  EXPECT_EQ(plain->find("bnb_4bit_compute_dtype")->as_string(), "float16");
  EXPECT_TRUE(plain->find("llm_int8_skip_modules")->is_null());
  const auto listed = config_of({{"a", {}, nf4()}}, {head, tower});
  ASSERT_TRUE(listed);
  EXPECT_EQ(listed->find("llm_int8_skip_modules")->dump(), R"(["lm_head", "vision.fc1"])");
}

TEST(BitsandbytesDialect, KeepsTheSourcesOwnBlockWhereItSaysTheSame) {
  const auto kept = config_of({{"a", {}, nf4()}}, {},
                              R"({"quantization_config": {"quant_method": "bitsandbytes",
      "load_in_4bit": true, "load_in_8bit": false, "bnb_4bit_quant_type": "nf4",
      "bnb_4bit_use_double_quant": false, "llm_int8_threshold": 3.0}})");
  ASSERT_TRUE(kept) << kept.error().message();
  EXPECT_EQ(kept->find("llm_int8_threshold")->as_double(), 3.0);
}

TEST(BitsandbytesDialect, WritesOneKindOfWeights) {
  Scheme fp4 = nf4();
  fp4.codebook = "fp4";
  EXPECT_FALSE(config_of({{"a", {}, nf4()}, {"b", {}, fp4}}, {}));
  Scheme unnamed = nf4();
  unnamed.codebook.clear();
  EXPECT_EQ(dialect().codec_for(unnamed), nullptr);
  EXPECT_EQ(dialect().codec_for(nf4())->name, "bitsandbytes-4bit");
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
