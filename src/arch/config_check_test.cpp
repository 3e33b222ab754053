#include <gtest/gtest.h>

#include <algorithm>

#include "arch/architecture.h"

namespace requant {
namespace {

constexpr std::string_view kGood = R"({"architectures":["LlamaForCausalLM"],"model_type":"llama",
  "hidden_size":64,"intermediate_size":128,"num_hidden_layers":1,"num_attention_heads":4,
  "num_key_value_heads":2,"head_dim":16,"vocab_size":320,"max_position_embeddings":128,
  "rms_norm_eps":1e-05,"rope_theta":10000.0,"hidden_act":"silu","tie_word_embeddings":false,
  "torch_dtype":"bfloat16","eos_token_id":257})";

Json good() { return *parse_json(kGood); }

std::vector<Finding> check(const Json& config) {
  return Architecture::of(config).check_config(config);
}

// Errors that name `key`.
bool complains_of(const Json& config, std::string_view key) {
  const auto findings = check(config);
  return std::any_of(findings.begin(), findings.end(), [&](const Finding& f) {
    return f.severity == Severity::kError && f.message.find(key) != std::string::npos;
  });
}

TEST(CheckConfig, HasNothingToSayOfAGoodOne) { EXPECT_TRUE(check(good()).empty()); }

TEST(CheckConfig, NamesAKeyThatIsMissing) {
  for (const char* key : {"hidden_size", "num_hidden_layers", "vocab_size", "model_type"}) {
    Json config = good();
    config.erase(key);
    EXPECT_TRUE(complains_of(config, key)) << key;
  }
}

TEST(CheckConfig, NamesAKeyWhoseValueNoModelCanHave) {
  const std::pair<const char*, const char*> cases[] = {
      {"hidden_size", "0"},
      {"hidden_size", "-64"},
      {"hidden_size", "64.5"},
      {"hidden_size", "\"64\""},
      {"hidden_size", "4611686018427387904"},
      {"hidden_size", "18446744073709551680"},
      {"hidden_size", "[64]"},
      {"hidden_size", "null"},
      {"num_attention_heads", "2147483648"},
      {"num_key_value_heads", "3"},
      {"num_hidden_layers", "2147483647"},
      {"rope_theta", "0"},
      {"rms_norm_eps", "\"tiny\""},
      {"hidden_act", "\"evil()\""},
      {"tie_word_embeddings", "\"false\""},
      {"torch_dtype", "\"float3\""},
      {"eos_token_id", "320"},
      {"eos_token_id", "[257, -7]"},
      {"architectures", "[]"},
      {"architectures", "\"LlamaForCausalLM\""},
      {"architectures", "[\"NoSuchModel\"]"},
      {"model_type", "\"nosuch\""},
      {"model_type", "5"},
  };
  for (const auto& [key, value] : cases) {
    Json config = good();
    config.set(key, *parse_json(value));
    EXPECT_TRUE(complains_of(config, key)) << key << " " << value;
  }
}

TEST(CheckConfig, KnowsWhatEachRopeScalingNeeds) {
  const std::pair<const char*, bool> cases[] = {
      {R"(null)", true},
      {R"({"type":"dynamic","factor":2.0})", true},
      {R"({"rope_type":"default","rope_theta":10000.0})", true},
      {R"({"rope_theta":10000.0})", true},
      {R"({"full_attention":{"rope_type":"default"},"sliding_attention":{"rope_type":"linear","factor":8}})",
       true},
      {R"({"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":64})",
       true},
      {R"({"rope_type":"warp","factor":2.0})", false},
      {R"({"rope_type":"linear","factor":0.0})", false},
      {R"({"rope_type":"linear"})", false},
      {R"({"rope_type":"llama3","factor":8.0})", false},
      {R"({"rope_type":"longrope","short_factor":[1.0],"long_factor":[1.0]})", false},
      {R"("yes")", false},
  };
  for (const auto& [value, fine] : cases) {
    Json config = good();
    config.set("rope_scaling", *parse_json(value));
    EXPECT_EQ(complains_of(config, "rope_scaling"), !fine) << value;
  }
}

TEST(CheckConfig, LooksIntoThePartsOfAModel) {
  Json config = *parse_json(R"({"architectures":["InternVLChatModel"],"model_type":"internvl_chat",
    "llm_config":{"architectures":["InternLM2ForCausalLM"],"hidden_size":-1}})");
  EXPECT_TRUE(complains_of(config, "llm_config.hidden_size"));
  EXPECT_TRUE(complains_of(config, "vision_config"));
}

TEST(CheckConfig, ChecksWhatItCanOfAnUnknownModel) {
  const Json config = *parse_json(R"({"architectures":["NewModel"],"model_type":"new"})");
  EXPECT_TRUE(complains_of(config, "NewModel"));
  EXPECT_EQ(check(config).size(), 1U);
}

}  // namespace
}  // namespace requant
