#include "arch/gguf_family.h"

#include <gtest/gtest.h>

namespace requant {
namespace {

TEST(GgufFamily, NamesModulesAsTheFamilyHasThem) {
  const GgufFamily* llama = find_gguf_family("llama");
  ASSERT_NE(llama, nullptr);
  EXPECT_EQ(llama->model_class, "LlamaForCausalLM");
  EXPECT_TRUE(llama->rotary_pairs);
  EXPECT_EQ(llama->module_of("blk.12.attn_q"), "model.layers.12.self_attn.q_proj");
  EXPECT_EQ(llama->module_of("output"), "lm_head");
  for (const char* other : {"blk.x.attn_q", "blk..attn_q", "blk.1.attn_q_norm", "rope_freqs"}) {
    EXPECT_EQ(llama->module_of(other), std::nullopt) << other;
  }
}

TEST(GgufFamily, InheritsNamesButNotTheOrderOfRows) {
  const GgufFamily* moe = find_gguf_family("qwen3moe");
  ASSERT_NE(moe, nullptr);
  EXPECT_EQ(moe->model_type, "qwen3_moe");
  EXPECT_FALSE(moe->rotary_pairs);
  EXPECT_EQ(moe->module_of("token_embd"), "model.embed_tokens");
  EXPECT_EQ(moe->module_of("blk.0.attn_q_norm"), "model.layers.0.self_attn.q_norm");
  EXPECT_EQ(moe->module_of("blk.3.ffn_up_exps"), "model.layers.3.mlp.experts.{expert}.up_proj");
  EXPECT_EQ(find_gguf_family("mamba"), nullptr);
}

TEST(GgufFamily, NamesModulesAsLlamaCppDoes) {
  const GgufFamily* llama = find_gguf_family_of("mistral");
  ASSERT_EQ(llama, find_gguf_family("llama"));
  const auto query = llama->name_of("model.layers.12.self_attn.q_proj");
  ASSERT_TRUE(query);
  EXPECT_EQ(query->module, "blk.12.attn_q");
  EXPECT_EQ(query->expert, -1);
  EXPECT_FALSE(llama->name_of("model.layers.12.self_attn.rotary_emb"));
  const GgufFamily* moe = find_gguf_family_of("qwen3_moe");
  ASSERT_NE(moe, nullptr);
  const auto expert = moe->name_of("model.layers.3.mlp.experts.17.up_proj");
  ASSERT_TRUE(expert);
  EXPECT_EQ(expert->module, "blk.3.ffn_up_exps");
  EXPECT_EQ(expert->expert, 17);
  EXPECT_FALSE(moe->name_of("model.layers.3.mlp.experts.x.up_proj"));
  EXPECT_EQ(find_gguf_family_of("falcon"), nullptr);
}

}  // namespace
}  // namespace requant
