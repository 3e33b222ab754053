#include "arch/architecture.h"

#include <gtest/gtest.h>

#include <set>

#include "arch/config_kind.h"
#include "arch/family.h"

namespace requant {
namespace {

Architecture architecture_of(std::string_view config) {
  const auto json = parse_json(config);
  EXPECT_TRUE(json) << json.error().message();
  return Architecture::of(*json);
}

Architecture internvl() {
  return architecture_of(R"({"architectures":["InternVLChatModel"],"model_type":"internvl_chat",
    "llm_config":{"architectures":["InternLM2ForCausalLM"],"model_type":"internlm2"},
    "vision_config":{"architectures":["InternVisionModel"]}})");
}

TEST(Architecture, InternVlComposesItsParts) {
  const Architecture model = internvl();
  EXPECT_TRUE(model.known());
  EXPECT_EQ(model.name(), "internvl_chat");
  const Module wqkv = model.module("language_model.model.layers.47.attention.wqkv", 2);
  EXPECT_EQ(wqkv.role, Role::kLinear);
  EXPECT_EQ(wqkv.tower, Tower::kLanguage);
  EXPECT_EQ(wqkv.layer, 47);
  EXPECT_EQ(wqkv.fused, "language_model.model.layers.47.attention.wqkv");
  EXPECT_EQ(model.module("vision_model.encoder.layers.3.mlp.fc1", 2).tower, Tower::kVision);
  EXPECT_EQ(model.module("mlp1.1", 2).tower, Tower::kProjector);
  EXPECT_EQ(model.module("language_model.output", 2).role, Role::kLmHead);
  EXPECT_EQ(model.language_config_keys(), std::vector<std::string>{"llm_config"});
}

TEST(Architecture, W1AndW3OfInternLm2AreOneMatrixAtRunTime) {
  const Architecture model = internvl();
  const Module w1 = model.module("language_model.model.layers.0.feed_forward.w1", 2);
  const Module w3 = model.module("language_model.model.layers.0.feed_forward.w3", 2);
  EXPECT_EQ(w1.fused, "language_model.model.layers.0.feed_forward.gate_up_proj");
  EXPECT_EQ(w1.fused, w3.fused);
}

TEST(Architecture, QwenInheritsTheNamesOfLlama) {
  const Architecture model =
      architecture_of(R"({"architectures":["Qwen2ForCausalLM"],"model_type":"qwen2"})");
  EXPECT_EQ(model.name(), "qwen2");
  const Module q = model.module("model.layers.1.self_attn.q_proj", 2);
  EXPECT_EQ(q.fused, "model.layers.1.self_attn.qkv_proj");
  EXPECT_EQ(model.module("model.norm", 1).role, Role::kNorm);
}

TEST(Architecture, ExpertsKnowTheirNumber) {
  const Architecture model = architecture_of(R"({"architectures":["Qwen3MoeForCausalLM"]})");
  const Module expert = model.module("model.layers.2.mlp.experts.5.up_proj", 2);
  EXPECT_EQ(expert.role, Role::kExpert);
  EXPECT_EQ(expert.layer, 2);
  EXPECT_EQ(expert.expert, 5);
  EXPECT_EQ(model.module("model.layers.2.mlp.gate", 2).role, Role::kRouter);
}

TEST(Architecture, AnUnknownModelIsGuessedByNameAndRank) {
  const Architecture model = architecture_of(R"({"architectures":["NewModel"]})");
  EXPECT_FALSE(model.known());
  EXPECT_EQ(model.name(), "NewModel");
  EXPECT_EQ(model.module("model.layers.0.self_attn.q_proj", 2).role, Role::kLinear);
  EXPECT_EQ(model.module("model.layers.0.self_attn.q_proj", 2).fused,
            "model.layers.0.self_attn.qkv_proj");
  EXPECT_EQ(model.module("model.layers.0.input_layernorm", 1).role, Role::kNorm);
  EXPECT_EQ(model.module("model.embed_tokens", 2).role, Role::kEmbedding);
  EXPECT_EQ(model.module("visual.blocks.7.attn.qkv", 2).tower, Tower::kVision);
  EXPECT_EQ(model.module("model.layers.4.mlp.experts.9.w2", 2).expert, 9);
}

TEST(Families, SayWhereTheyComeFrom) {
  std::set<std::string> names;
  std::set<std::string> architectures;
  for (const Family& family : families()) {
    EXPECT_TRUE(names.insert(family.name).second) << family.name;
    EXPECT_FALSE(family.source.empty()) << family.name;
    for (const std::string& name : family.architectures) {
      EXPECT_TRUE(architectures.insert(name).second) << name << " is in two files";
    }
    for (const PartRow& part : family.parts) {
      if (!part.architecture.empty()) {
        EXPECT_NE(family_named(part.architecture), nullptr) << part.architecture;
      }
    }
  }
  EXPECT_GE(names.size(), 10U);
}

TEST(Families, UseOnlyKindsThatExist) {
  const KeyValue none = [](std::string_view) { return std::nullopt; };
  for (const Family& family : families()) {
    for (const ConfigRow& row : family.config) {
      expected_instead(Json(1), {row, none});  // stops the program for a kind that is not there
    }
  }
}

}  // namespace
}  // namespace requant
