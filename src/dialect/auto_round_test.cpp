#include <gtest/gtest.h>

#include "dialect/testing.h"

namespace requant {
namespace {

using testing_support::FakeCheckpoint;
using testing_support::has_rule;

const Dialect& dialect() { return *find_dialect("auto-round"); }

std::string config(std::string_view packing, std::string_view more = "") {
  return R"({"architectures":["LlamaForCausalLM"],"model_type":"llama","quantization_config":
             {"quant_method":"auto-round","bits":4,"group_size":32,"sym":false,"packing_format":")" +
         std::string(packing) + "\"" + std::string(more) + "}}";
}

std::vector<FakeCheckpoint::Entry> gptq() {
  return {{"model.layers.0.mlp.up_proj.qweight", DType::kI32, {8, 16}},
          {"model.layers.0.mlp.up_proj.qzeros", DType::kI32, {2, 2}},
          {"model.layers.0.mlp.up_proj.scales", DType::kF16, {2, 16}}};
}

std::vector<FakeCheckpoint::Entry> awq() {
  return {{"model.layers.0.mlp.up_proj.qweight", DType::kI32, {64, 2}},
          {"model.layers.0.mlp.up_proj.qzeros", DType::kI32, {2, 2}},
          {"model.layers.0.mlp.up_proj.scales", DType::kF16, {2, 16}}};
}

TEST(AutoRoundDialect, IsToldByItsMethodAlone) {
  const FakeCheckpoint fake(config("auto_round:auto_gptq"), gptq());
  EXPECT_EQ(dialect().recognize(fake.facts()).match, Match::kYes);
  EXPECT_EQ(find_dialect("gptq")->recognize(fake.facts()).match, Match::kNo);
  const FakeCheckpoint other("{}", gptq());
  EXPECT_EQ(dialect().recognize(other.facts()).match, Match::kNo);
}

TEST(AutoRoundDialect, ChoosesTheCodecByPackingFormat) {
  const auto weight = [](std::string_view packing, const auto& entries) {
    const FakeCheckpoint fake(config(packing), entries);
    auto resolution = dialect().resolve(fake.facts());
    EXPECT_TRUE(resolution) << resolution.error().message();
    EXPECT_TRUE(resolution->findings.empty());
    return resolution->weights.at(0);
  };
  EXPECT_EQ(weight("auto_round:auto_gptq", gptq()).codec->name, "gptq-words");
  EXPECT_EQ(weight("auto_round:gptqmodel", gptq()).codec->name, "gptq-v2");
  EXPECT_EQ(weight("auto_round", gptq()).codec->name, "gptq-v2");
  EXPECT_EQ(weight("auto_round:auto_awq", awq()).codec->name, "awq-gemm");
  EXPECT_EQ(weight("auto_round", gptq()).cols, 64);
  EXPECT_EQ(weight("auto_round:auto_awq", awq()).cols, 64);
  EXPECT_FALSE(weight("auto_round", gptq()).scheme.permuted);
}

TEST(AutoRoundDialect, TrustsTensorsMoreThanThePackingFormat) {
  const FakeCheckpoint fake(config("auto_round:auto_awq"), gptq());
  const auto resolution = dialect().resolve(fake.facts());
  ASSERT_TRUE(resolution) << resolution.error().message();
  EXPECT_TRUE(has_rule(resolution->findings, "auto-round.packing-format"));
}

TEST(AutoRoundDialect, RefusesOtherPackingsByName) {
  const FakeCheckpoint fake(config("auto_round:llm_compressor"), gptq());
  const auto resolution = dialect().resolve(fake.facts());
  ASSERT_FALSE(resolution);
  EXPECT_EQ(resolution.error().code(), ErrorCode::kRefused);
  EXPECT_NE(resolution.error().message().find("llm_compressor"), std::string::npos);
}

TEST(AutoRoundDialect, FollowsExtraConfig) {
  const FakeCheckpoint fits(
      config("auto_round", R"(,"extra_config":{".*up_proj":{"bits":4,"group_size":32}})"), gptq());
  EXPECT_TRUE(dialect().resolve(fits.facts())->findings.empty());
  const FakeCheckpoint wrong(
      config("auto_round", R"(,"extra_config":{"model.layers.0.mlp.up_proj":{"bits":8}})"), gptq());
  EXPECT_TRUE(has_rule(dialect().resolve(wrong.facts())->findings, "auto-round.scheme"));
  const FakeCheckpoint dense(config("auto_round", R"(,"extra_config":{"up_proj":{"bits":16}})"),
                             gptq());
  EXPECT_TRUE(has_rule(dialect().resolve(dense.facts())->findings, "auto-round.scheme"));
}

}  // namespace
}  // namespace requant
