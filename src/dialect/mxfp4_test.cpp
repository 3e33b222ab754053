#include <gtest/gtest.h>

#include "dialect/testing.h"

namespace requant {
namespace {

using testing_support::FakeCheckpoint;

const Dialect& dialect() { return *find_dialect("mxfp4"); }

std::vector<FakeCheckpoint::Entry> tensors() {
  return {{"model.layers.0.mlp.experts.gate_up_proj_blocks", DType::kU8, {4, 512, 8, 16}},
          {"model.layers.0.mlp.experts.gate_up_proj_scales", DType::kU8, {4, 512, 8}},
          {"model.layers.0.mlp.experts.gate_up_proj_bias", DType::kBF16, {4, 512}}};
}

TEST(Mxfp4Dialect, IsToldByItsTensors) {
  const FakeCheckpoint fake("{}", tensors());
  EXPECT_EQ(dialect().recognize(fake.facts()).match, Match::kYes);
}

TEST(Mxfp4Dialect, TakesTheExpertsOfATensorAsOneWeight) {
  const FakeCheckpoint fake("{}", tensors());
  const auto resolution = dialect().resolve(fake.facts());
  ASSERT_TRUE(resolution) << resolution.error().message();
  ASSERT_EQ(resolution->weights.size(), 1U);
  const Weight& weight = resolution->weights[0];
  EXPECT_EQ(weight.module, "model.layers.0.mlp.experts.gate_up_proj");
  EXPECT_EQ(weight.experts, 4);
  EXPECT_EQ(weight.rows, 4 * 512);
  EXPECT_EQ(weight.cols, 256);
}

TEST(Mxfp4Dialect, ReadsTheOriginalNames) {
  const FakeCheckpoint fake("{}", {{"block.0.mlp.mlp1_weight.blocks", DType::kU8, {4, 64, 8, 16}},
                                   {"block.0.mlp.mlp1_weight.scales", DType::kU8, {4, 64, 8}}});
  const auto resolution = dialect().resolve(fake.facts());
  ASSERT_TRUE(resolution) << resolution.error().message();
  EXPECT_EQ(resolution->weights[0].module, "block.0.mlp.mlp1_weight");
}

TEST(Mxfp4Dialect, NamesAPartThatIsMissingOrDoesNotFit) {
  auto some = tensors();
  some[1].shape = {4, 512, 7};
  const FakeCheckpoint wrong("{}", some);
  EXPECT_NE(dialect().resolve(wrong.facts()).error().message().find("[4, 512, 7], expected"),
            std::string::npos);
  const FakeCheckpoint blocks("{}", {some[0]});
  EXPECT_NE(dialect().resolve(blocks.facts()).error().message().find("no scales beside it"),
            std::string::npos);
  const FakeCheckpoint scales("{}", {some[1]});
  EXPECT_NE(dialect().resolve(scales.facts()).error().message().find("no blocks beside it"),
            std::string::npos);
}

TEST(Mxfp4Dialect, StatesWhatIsNotQuantisedAsOpenAiDoes) {
  const FakeCheckpoint fake("{}", {});
  const auto weight = [](const std::string& module, Role role) {
    TargetWeight target{.module = module, .place = {}, .scheme = {}};
    target.place.role = role;
    return target;
  };
  const std::vector<TargetWeight> quantized = {
      weight("model.layers.0.mlp.experts.gate_up_proj", Role::kExpert)};
  const std::vector<TargetWeight> unquantized = {
      weight("lm_head", Role::kLmHead), weight("model.layers.0.mlp.router", Role::kRouter),
      weight("model.layers.0.self_attn.k_proj", Role::kLinear),
      weight("model.layers.0.self_attn.q_proj", Role::kLinear),
      weight("model.layers.1.mlp.router", Role::kRouter)};
  const auto block = dialect().quantization_config({.config = fake.facts().config,
                                                    .architecture = fake.facts().architecture,
                                                    .quantized = quantized,
                                                    .unquantized = unquantized});
  ASSERT_TRUE(block) << block.error().message();
  EXPECT_EQ(
      block->dump(),
      R"({"modules_to_not_convert": ["model.layers.*.self_attn", "model.layers.*.mlp.router", )"
      R"("model.embed_tokens", "lm_head"], "quant_method": "mxfp4"})");
}

TEST(Mxfp4Dialect, DoesNotExcludeWhatIsQuantised) {
  const FakeCheckpoint fake("{}", {});
  TargetWeight shared{.module = "model.layers.0.mlp.up_proj", .place = {}, .scheme = {}};
  shared.place.role = Role::kLinear;
  const std::vector<TargetWeight> unquantized = {shared};
  const std::vector<TargetWeight> quantized = {
      {.module = "model.layers.0.mlp.experts.gate_up_proj", .place = {}, .scheme = {}}};
  const auto block = dialect().quantization_config({.config = fake.facts().config,
                                                    .architecture = fake.facts().architecture,
                                                    .quantized = quantized,
                                                    .unquantized = unquantized});
  ASSERT_TRUE(block) << block.error().message();
  EXPECT_EQ(*block->find("modules_to_not_convert")->items()[0].as_string(),
            "model.layers.*.mlp.up_proj");
}

}  // namespace
}  // namespace requant
