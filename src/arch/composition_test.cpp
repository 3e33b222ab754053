#include <gtest/gtest.h>

#include "arch/architecture.h"

namespace requant {
namespace {

Json config(std::string_view text) {
  auto json = parse_json(text);
  return json ? *std::move(json) : Json();
}

const Json& gpt_oss() {
  static const Json kConfig = config(R"({"architectures": ["GptOssForCausalLM"],
      "hidden_size": 64, "intermediate_size": 96, "num_local_experts": 3,
      "num_attention_heads": 4, "num_hidden_layers": 2})");
  return kConfig;
}

TEST(Composition, AlternatesGateAndUpInEveryExpertOfGptOss) {
  const Architecture architecture = Architecture::of(gpt_oss());
  const auto found = architecture.composition("model.layers.1.mlp.experts.gate_up_proj", gpt_oss());
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->is_known());
  EXPECT_TRUE(found->is_stack());
  EXPECT_EQ(found->experts, 3);
  EXPECT_EQ(found->times, 96);
  EXPECT_EQ(found->rows(), 192);
  EXPECT_TRUE(found->transposed);
  EXPECT_EQ(found->member(1, 2), "model.layers.1.mlp.experts.2.up_proj");
}

TEST(Composition, IsFoundByAnyOfItsMembers) {
  const Architecture architecture = Architecture::of(gpt_oss());
  const auto found =
      architecture.composition_with("model.layers.0.mlp.experts.2.down_proj", gpt_oss());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->module, "model.layers.0.mlp.experts.down_proj");
  EXPECT_EQ(found->rows(), 64);
  EXPECT_FALSE(architecture.composition_with("model.layers.0.mlp.router", gpt_oss()));
  EXPECT_FALSE(architecture.composition("model.layers.0.mlp.router", gpt_oss()));
}

TEST(Composition, SaysWhenConfigDoesNotGiveTheSizes) {
  Json silent = gpt_oss();
  silent.erase("num_local_experts");
  const Architecture architecture = Architecture::of(silent);
  const auto found = architecture.composition("model.layers.0.mlp.experts.gate_up_proj", silent);
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->is_stack());
  EXPECT_FALSE(found->is_known());
}

TEST(Architecture, GivesTheSizesOfAModule) {
  const Architecture architecture = Architecture::of(gpt_oss());
  EXPECT_EQ(architecture.sizes("model.layers.0.mlp.experts.1.up_proj", gpt_oss()),
            (std::vector<std::int64_t>{96, 64}));
  EXPECT_TRUE(architecture.sizes("model.layers.0.no_such_module", gpt_oss()).empty());
}

}  // namespace
}  // namespace requant
