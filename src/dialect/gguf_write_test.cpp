#include "dialect/gguf_write.h"

#include <gtest/gtest.h>

#include "support/support.h"

namespace requant {
namespace {

Json json_of(std::string_view text) {
  auto json = parse_json(text);
  EXPECT_TRUE(json) << text;
  return *std::move(json);
}

Json config() {
  return json_of(R"({"model_type": "llama", "hidden_size": 8, "intermediate_size": 16,
      "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 4,
      "max_position_embeddings": 64, "rms_norm_eps": 1e-05, "rope_theta": 10000,
      "vocab_size": 4, "hidden_act": "silu"})");
}

// What a reader finds in keys.
std::map<std::string, std::string> read_keys(const GgufKeyBytes& keys) {
  const std::vector<GgufTensor> tensors = {{"a", "F32", {1}}};
  const auto file = gguf_file(keys, tensors);
  const testing_support::TemporaryFolder folder;
  testing_support::write_file(folder / "a.gguf",
                              file->header + std::string(file->bytes - file->header.size(), '\0'));
  const auto source = open_source(folder / "a.gguf");
  EXPECT_TRUE(source) << source.error().message();
  return source->metadata();
}

TEST(GgufModelKeys, SayWhatConfigSays) {
  GgufKeyBytes keys;
  const auto added = add_gguf_model(config(), keys);
  ASSERT_TRUE(added) << added.error().message();
  const std::map<std::string, std::string> expected = {
      {"general.architecture", "\"llama\""},
      {"general.type", "\"model\""},
      {"llama.embedding_length", "8"},
      {"llama.feed_forward_length", "16"},
      {"llama.block_count", "1"},
      {"llama.attention.head_count", "2"},
      {"llama.attention.head_count_kv", "1"},
      {"llama.attention.key_length", "4"},
      {"llama.attention.value_length", "4"},
      {"llama.context_length", "64"},
      {"llama.attention.layer_norm_rms_epsilon", "1e-05"},
      {"llama.rope.freq_base", "10000.0"},
      {"llama.rope.dimension_count", "4"},
      {"llama.vocab_size", "4"}};
  EXPECT_EQ(read_keys(keys), expected);
}

std::string refusal_with(std::string_view key, std::string_view value) {
  Json changed = config();
  changed.set(key, json_of(value));
  GgufKeyBytes keys;
  const auto added = add_gguf_model(changed, keys);
  return added ? "" : std::string(added.error().message());
}

TEST(GgufModelKeys, RefuseWhatLlamaCppDoesNotCompute) {
  EXPECT_EQ(refusal_with("hidden_act", R"("gelu")"),
            "config.json: 'hidden_act' is \"gelu\", llama.cpp computes silu");
  EXPECT_EQ(refusal_with("rope_scaling", R"({"rope_type": "yarn", "factor": 4})"),
            "config.json: rope is scaled ('yarn'), which is not carried into GGUF yet");
  EXPECT_EQ(refusal_with("rope_scaling", "null"), "");
  EXPECT_EQ(refusal_with("rope_parameters", R"({"rope_type": "default"})"), "");
  EXPECT_EQ(refusal_with("model_type", R"("falcon")"),
            "no data of this build say how llama.cpp has 'falcon'");
  EXPECT_EQ(refusal_with("hidden_size", "-8"),
            "config.json: 'hidden_size' is -8, expected a whole number");
}

constexpr std::string_view kTokenizer = R"({
  "added_tokens": [{"id": 2, "content": "<s>", "special": true},
                   {"id": 3, "content": "<tool>", "special": false}],
  "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
  "post_processor": {"single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}]},
  "model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": ["a b", ["b", "a"]]}})";

struct Vocabulary {
  Result<void> added = {};
  GgufKeyBytes keys;
};

Vocabulary vocabulary_of(const std::string& tokenizer, std::int64_t tokens) {
  const Json config = json_of(R"({"eos_token_id": [1, 0], "bos_token_id": 0})");
  auto source = Source::make({});
  EXPECT_TRUE(source);
  const std::map<std::string, std::string, std::less<>> files = {
      {"tokenizer.json", tokenizer},
      {"tokenizer_config.json", R"({"bos_token": {"content": "<s>"}, "chat_template": "hello"})"}};
  const FileRequest request{
      .config = config,
      .source = *source,
      .tensors = {},
      .read = [&](std::string_view name) -> Result<std::optional<std::string>> {
        const auto found = files.find(name);
        if (found == files.end() || found->second.empty()) {
          return std::optional<std::string>();
        }
        return std::optional(found->second);
      }};
  Vocabulary out;
  out.added = add_gguf_vocabulary(request, tokens, out.keys);
  return out;
}

TEST(GgufVocabulary, IsThatOfTheTokenizer) {
  const Vocabulary vocabulary = vocabulary_of(std::string(kTokenizer), 5);
  ASSERT_TRUE(vocabulary.added) << vocabulary.added.error().message();
  const std::map<std::string, std::string> expected = {
      {"tokenizer.ggml.model", "\"gpt2\""},
      {"tokenizer.ggml.pre", "\"gpt-2\""},
      {"tokenizer.ggml.tokens", R"(["a","b","<s>","<tool>","[PAD4]"])"},
      {"tokenizer.ggml.token_type", "[1,1,3,4,5]"},
      {"tokenizer.ggml.merges", R"(["a b","b a"])"},
      {"tokenizer.ggml.bos_token_id", "2"},
      {"tokenizer.ggml.eos_token_id", "1"},
      {"tokenizer.ggml.add_bos_token", "true"},
      {"tokenizer.ggml.add_eos_token", "false"},
      {"tokenizer.chat_template", "\"hello\""}};
  EXPECT_EQ(read_keys(vocabulary.keys), expected);
}

TEST(GgufVocabulary, IsRefusedWhereLlamaCppWouldCutTextElsewhere) {
  const auto changed = [](std::string_view from, std::string_view to) {
    std::string text(kTokenizer);
    text.replace(text.find(from), from.size(), to);
    return bool(vocabulary_of(text, 5).added);
  };
  EXPECT_FALSE(changed("\"BPE\"", "\"Unigram\""));
  EXPECT_FALSE(changed("\"add_prefix_space\": false", "\"add_prefix_space\": true"));
  EXPECT_FALSE(changed("\"use_regex\": true", "\"use_regex\": false"));
  EXPECT_FALSE(changed("\"a\": 0", "\"a\": 5"));
  EXPECT_FALSE(changed("[\"b\", \"a\"]", "[\"b\"]"));
  EXPECT_TRUE(changed("\"a\": 0", "\"a\": 4"));
}

TEST(GgufVocabulary, IsNoneWithoutATokenizer) {
  const Vocabulary vocabulary = vocabulary_of("", 5);
  ASSERT_TRUE(vocabulary.added);
  EXPECT_EQ(read_keys(vocabulary.keys).at("tokenizer.ggml.model"), "\"none\"");
}

}  // namespace
}  // namespace requant
