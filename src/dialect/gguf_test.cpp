#include <gtest/gtest.h>

#include "dialect/dialect.h"
#include "dialect/gguf_keys.h"

namespace requant {
namespace {

using Metadata = std::map<std::string, std::string>;

TensorInfo tensor(std::string name, std::string_view type, Shape shape) {
  TensorInfo info;
  info.name = std::move(name);
  info.dtype = type == "F32" ? DType::kF32 : DType::kU8;
  if (type != "F32") info.set_special({.encoding = type});
  info.shape = std::move(shape);
  return info;
}

std::vector<TensorInfo> tensors() {
  return {tensor("token_embd.weight", "Q8_0", {4, 68}),
          tensor("output_norm.weight", "F32", {64}),
          tensor("blk.0.attn_q.weight", "Q4_K", {64, 144}),
          tensor("blk.0.attn_k.weight", "Q4_0", {32, 36}),
          tensor("blk.0.attn_output.weight", "Q8_0", {64, 68}),
          tensor("blk.0.ffn_down_exps.weight", "Q5_0", {8, 64, 44})};
}

Metadata keys() {
  return {{"general.architecture", "\"llama\""},
          {"llama.block_count", "1"},
          {"llama.embedding_length", "64"},
          {"llama.attention.head_count", "4"},
          {"llama.attention.layer_norm_rms_epsilon", "1e-05"},
          {"tokenizer.ggml.model", "\"gpt2\""},
          {"tokenizer.ggml.tokens", R"(["a","b","c","d"])"},
          {"tokenizer.ggml.merges", R"(["a b"])"},
          {"tokenizer.ggml.eos_token_id", "3"}};
}

Source source_of(const Metadata& metadata, std::vector<TensorInfo> list = tensors()) {
  Source::Parts parts;
  parts.container = "gguf";
  parts.files.emplace_back();
  parts.tensors = std::move(list);
  parts.metadata = metadata;
  return *Source::make(std::move(parts));
}

// The one finding that a key of another value gives; empty: no finding.
std::string finding_with(const std::string& key, const std::string& value) {
  Metadata metadata = keys();
  metadata.erase(key);
  if (!value.empty()) metadata.emplace(key, value);
  const auto findings = check_gguf(source_of(metadata));
  return findings.empty() ? "" : findings.front().message;
}

TEST(GgufDialect, ReadsTheTypeOfEachTensor) {
  const Source source = source_of(keys());
  const Json config = gguf_config(source);
  const Architecture architecture = Architecture::of(config);
  const std::map<std::string, Json> side;
  const Facts facts(config, source, architecture, side);
  const Dialect& dialect = *find_dialect("gguf");
  EXPECT_EQ(dialect.recognize(facts).match, Match::kYes);
  const auto resolution = dialect.resolve(facts);
  ASSERT_TRUE(resolution) << resolution.error().message();
  EXPECT_TRUE(check_gguf(source).empty());
  ASSERT_EQ(resolution->weights.size(), 5U);
  for (const Weight& weight : resolution->weights) {
    if (weight.module == "blk.0.attn_q") {
      EXPECT_EQ(weight.codec->name, "gguf-q4_k");
      EXPECT_EQ(weight.cols, 256);
    }
    if (weight.module != "blk.0.ffn_down_exps") continue;
    EXPECT_EQ(weight.experts, 8);
    EXPECT_EQ(weight.rows, 8 * 64);
    EXPECT_EQ(weight.cols, 64);
    EXPECT_EQ(weight.place.role, Role::kExpert);
  }
}

TEST(GgufDialect, RefusesTypesThatNoFileStores) {
  const Source source = source_of(keys(), {tensor("a.weight", "Q8_1", {4, 36})});
  const Json config = gguf_config(source);
  const Architecture architecture = Architecture::of(config);
  const std::map<std::string, Json> side;
  const Facts facts(config, source, architecture, side);
  const auto resolution = find_dialect("gguf")->resolve(facts);
  ASSERT_FALSE(resolution);
  EXPECT_EQ(resolution.error().message(), "a.weight is Q8_1, which no file is meant to store");
}

TEST(GgufKeys, OfTheModelAreChecked) {
  EXPECT_EQ(finding_with("general.architecture", ""), "'general.architecture' is not there");
  EXPECT_EQ(finding_with("general.architecture", "\"%s%n\""),
            "'general.architecture' is \"%s%n\", which llama.cpp does not have");
  EXPECT_EQ(finding_with("general.architecture", "7"),
            "'general.architecture' is 7, which llama.cpp does not have");
  EXPECT_EQ(finding_with("llama.block_count", ""), "'llama.block_count' is not there");
  EXPECT_EQ(finding_with("llama.block_count", "0"),
            "'llama.block_count' is 0, expected a whole number from 1 to 4096");
  EXPECT_EQ(finding_with("llama.embedding_length", "4096"),
            "'llama.embedding_length' is 4096, the rows of token_embd.weight have 64");
  EXPECT_EQ(finding_with("llama.attention.head_count", "0"),
            "'llama.attention.head_count' is 0, expected a whole number from 1 to 65536");
  EXPECT_EQ(finding_with("llama.attention.head_count", "[4,4]"),
            "'llama.attention.head_count' has 2 numbers, expected one for each of 1 blocks");
  EXPECT_EQ(finding_with("llama.attention.head_count", "[4]"), "");
  EXPECT_EQ(finding_with("llama.attention.layer_norm_rms_epsilon", "\"nan\""),
            "'llama.attention.layer_norm_rms_epsilon' is \"nan\", expected a number");
}

TEST(GgufKeys, OfTheVocabularyAreChecked) {
  EXPECT_EQ(finding_with("tokenizer.ggml.model", "\"nosuch\""),
            "'tokenizer.ggml.model' is \"nosuch\", expected one of llama, gpt2, bert, t5, rwkv, "
            "plamo2, none, no_vocab");
  EXPECT_EQ(finding_with("tokenizer.ggml.tokens", ""), "'tokenizer.ggml.tokens' is not there");
  EXPECT_EQ(finding_with("tokenizer.ggml.tokens", "[1,2,3,4]"),
            "'tokenizer.ggml.tokens' is no array of strings");
  EXPECT_EQ(finding_with("tokenizer.ggml.tokens", R"({"array":"string","count":10})"),
            "token_embd.weight has 4 rows, 'tokenizer.ggml.tokens' has 10");
  EXPECT_EQ(finding_with("tokenizer.ggml.scores", "[0.5]"),
            "'tokenizer.ggml.scores' has 1 items, 'tokenizer.ggml.tokens' has 4");
  EXPECT_EQ(finding_with("tokenizer.ggml.eos_token_id", "4"),
            "'tokenizer.ggml.eos_token_id' is 4, expected a whole number from 0 to 3");
  EXPECT_EQ(finding_with("tokenizer.ggml.merges", R"(["ab"])"),
            "'tokenizer.ggml.merges': 'ab' has no space between its parts");
}

TEST(GgufKeys, MissingTensorsAreNamed) {
  auto list = tensors();
  list.erase(list.begin() + 2);
  const auto findings = check_gguf(source_of(keys(), list));
  ASSERT_FALSE(findings.empty());
  EXPECT_EQ(findings.front().message,
            "blk.0.attn_q.weight is not there, and blk.0.attn_k.weight is");
}

}  // namespace
}  // namespace requant
