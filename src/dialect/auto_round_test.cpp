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

TargetWeight target(std::string module, Role role, int bits, Offset offset) {
  TargetWeight target;
  target.module = std::move(module);
  target.place.role = role;
  target.scheme = {
      .bits = bits, .grid = Grid::group(32), .scale_dtype = DType::kF16, .offset = offset};
  return target;
}

// What it writes must mean the same when it is read.
TEST(AutoRoundDialect, WritesThePackingFormatOfItsWeights) {
  const Json json = Json::object();
  const Architecture architecture = Architecture::of(json);
  const std::vector head = {target("lm_head", Role::kLmHead, 16, Offset::kNone)};
  const auto packing = [&](int bits, Offset offset) {
    const std::vector quantized = {
        target("model.layers.0.mlp.up_proj", Role::kLinear, bits, offset)};
    const auto block = dialect().quantization_config({json, architecture, quantized, head});
    EXPECT_TRUE(block) << block.error().message();
    EXPECT_EQ(block->find("extra_config"), nullptr);
    return std::string(*block->find("packing_format")->as_string());
  };
  EXPECT_EQ(packing(4, Offset::kNone), "auto_round:auto_gptq");
  EXPECT_EQ(packing(4, Offset::kZero), "auto_round:auto_awq");
  EXPECT_EQ(packing(8, Offset::kZero), "auto_round:gptqmodel");
  const std::vector mixed = {
      target("model.layers.0.mlp.up_proj", Role::kLinear, 4, Offset::kNone),
      target("model.layers.0.mlp.down_proj", Role::kLinear, 4, Offset::kZero)};
  EXPECT_FALSE(dialect().quantization_config({json, architecture, mixed, head}));
  Scheme permuted = mixed[0].scheme;
  permuted.permuted = true;
  EXPECT_EQ(dialect().codec_for(permuted), nullptr);
}

TEST(AutoRoundDialect, NamesWhatDiffersInExtraConfig) {
  const Json json = Json::object();
  const std::vector quantized = {
      target("model.layers.0.mlp.up_proj", Role::kLinear, 4, Offset::kNone),
      target("model.layers.1.mlp.up_proj", Role::kLinear, 4, Offset::kNone),
      target("model.layers.1.mlp.down_proj", Role::kLinear, 8, Offset::kNone)};
  const std::vector dense = {target("model.layers.0.mlp.gate", Role::kRouter, 16, Offset::kNone)};
  const auto block =
      dialect().quantization_config({json, Architecture::of(json), quantized, dense});
  ASSERT_TRUE(block);
  EXPECT_EQ(block->find("extra_config")->dump(),
            R"({"model.layers.0.mlp.gate": {"bits": 16, "data_type": "float"}, )"
            R"("model.layers.1.mlp.down_proj": {"bits": 8, "group_size": 32}})");
}

}  // namespace
}  // namespace requant
