#include <gtest/gtest.h>

#include <map>

#include "arch/architecture.h"

namespace requant {
namespace {

using Shapes = std::map<std::string, std::vector<std::int64_t>, std::less<>>;

Json config(std::string_view extra = "") {
  return *parse_json(R"({"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":64,
    "intermediate_size":128,"num_hidden_layers":1,"num_attention_heads":4,"num_key_value_heads":2,
    "vocab_size":320)" +
                     std::string(extra) + "}");
}

Shapes good() {
  return {{"model.embed_tokens.weight", {320, 64}},
          {"model.layers.0.input_layernorm.weight", {64}},
          {"model.layers.0.self_attn.q_proj.weight", {64, 64}},
          {"model.layers.0.self_attn.k_proj.weight", {32, 64}},
          {"model.layers.0.self_attn.v_proj.weight", {32, 64}},
          {"model.layers.0.self_attn.o_proj.weight", {64, 64}},
          {"model.layers.0.post_attention_layernorm.weight", {64}},
          {"model.layers.0.mlp.gate_proj.weight", {128, 64}},
          {"model.layers.0.mlp.up_proj.weight", {128, 64}},
          {"model.layers.0.mlp.down_proj.weight", {64, 128}},
          {"model.norm.weight", {64}},
          {"lm_head.weight", {320, 64}}};
}

std::vector<Finding> check(const Json& json, const Shapes& shapes) {
  return Architecture::of(json).check_tensors(
      json, [&](std::string_view name) -> const std::vector<std::int64_t>* {
        const auto at = shapes.find(name);
        return at == shapes.end() ? nullptr : &at->second;
      });
}

TEST(CheckTensors, HasNothingToSayOfAGoodModel) { EXPECT_TRUE(check(config(), good()).empty()); }

TEST(CheckTensors, NamesATensorThatIsMissing) {
  Shapes shapes = good();
  shapes.erase("model.layers.0.self_attn.q_proj.weight");
  const auto findings = check(config(), shapes);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].rule, "tensor.missing");
  EXPECT_EQ(findings[0].where, "model.layers.0.self_attn.q_proj.weight");
}

TEST(CheckTensors, NamesATensorOfAnotherShape) {
  Shapes shapes = good();
  shapes["model.layers.0.mlp.gate_proj.weight"] = {64, 128};
  const auto findings = check(config(), shapes);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].rule, "tensor.shape");
  EXPECT_EQ(findings[0].expected, "[128, 64]");
}

TEST(CheckTensors, ATiedHeadNeedNotBeThere) {
  Shapes shapes = good();
  shapes.erase("lm_head.weight");
  EXPECT_TRUE(check(config(R"(,"tie_word_embeddings":true)"), shapes).empty());
  EXPECT_EQ(check(config(R"(,"tie_word_embeddings":false)"), shapes).size(), 1U);
}

TEST(CheckTensors, StopsCountingLayersThatAreNotThere) {
  Json many = config();
  many.set("num_hidden_layers", 1'000'000);
  EXPECT_LT(check(many, good()).size(), 20U);
}

TEST(CheckTensors, EndsWhereExpertsAreClaimedThatAreNotThere) {
  Json many = config(R"(,"moe_intermediate_size":32,"num_experts":1000000000000)");
  many.set("architectures", Json::array({Json("Qwen3MoeForCausalLM")}));
  many.set("model_type", Json("qwen3_moe"));
  EXPECT_LT(check(many, good()).size(), 20U);
}

}  // namespace
}  // namespace requant
