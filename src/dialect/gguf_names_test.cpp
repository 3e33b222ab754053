#include "dialect/gguf_names.h"

#include <gtest/gtest.h>

#include "support/support.h"

namespace requant {
namespace {

using Metadata = std::map<std::string, std::string>;

TensorInfo tensor(std::string name, Shape shape, std::string_view encoding = "") {
  TensorInfo info;
  info.name = std::move(name);
  info.dtype = encoding.empty() ? DType::kF32 : DType::kU8;
  if (!encoding.empty()) info.set_special({.encoding = encoding});
  info.shape = std::move(shape);
  info.bytes = *byte_size(info.dtype, *element_count(info.shape));
  return info;
}

Source source_of(Metadata metadata, std::vector<TensorInfo> tensors) {
  Source::Parts parts;
  parts.container = "gguf";
  parts.files.emplace_back();
  parts.tensors = std::move(tensors);
  parts.metadata = std::move(metadata);
  return *Source::make(std::move(parts));
}

Metadata llama() {
  return {{"general.architecture", "\"llama\""},
          {"llama.embedding_length", "64"},
          {"llama.block_count", "1"},
          {"llama.attention.head_count", "4"},
          {"llama.attention.head_count_kv", "2"},
          {"llama.attention.layer_norm_rms_epsilon", "1e-06"},
          {"tokenizer.ggml.eos_token_id", "2"}};
}

TEST(GgufNames, AndKeysAreThoseOfTheFamily) {
  auto model = named_as_family(source_of(llama(), {tensor("token_embd.weight", {8, 64}),
                                                   tensor("blk.0.attn_v.weight", {32, 68}, "Q8_0"),
                                                   tensor("blk.0.attn_v.bias", {32})}));
  ASSERT_TRUE(model) << model.error().message();
  EXPECT_EQ(model->reason, "");
  EXPECT_NE(model->source.find("model.embed_tokens.weight"), nullptr);
  const TensorInfo* value = model->source.find("model.layers.0.self_attn.v_proj.weight");
  ASSERT_NE(value, nullptr);
  EXPECT_EQ(value->encoding(), "Q8_0");
  EXPECT_TRUE(value->strides().empty());
  EXPECT_EQ(model->config.find("hidden_size")->as_int(), 64);
  EXPECT_EQ(model->config.find("rms_norm_eps")->as_double(), 1e-6);
  EXPECT_EQ(model->config.find("vocab_size")->as_int(), 8);
  EXPECT_EQ(model->config.find("tie_word_embeddings")->as_bool(), true);
  EXPECT_EQ(model->config.find("eos_token_id")->as_int(), 2);
}

// Two heads of 8 rows: {0, 4, 1, 5, 2, 6, 3, 7} of a head is what the file has.
TEST(GgufNames, RowsOfQAndKComeInTheOrderOfTheFamily) {
  const testing_support::TemporaryFolder folder;
  std::string bytes;
  for (int head = 0; head < 2; ++head) {
    for (const int row : {0, 4, 1, 5, 2, 6, 3, 7}) {
      bytes.append(3, static_cast<char>(8 * head + row));
    }
  }
  testing_support::write_file(folder / "rows", bytes);
  Source::Parts parts;
  parts.container = "gguf";
  parts.files.push_back(*File::open(folder / "rows"));
  parts.tensors = {tensor("blk.0.attn_k.weight", {16, 3}, "Q8_0")};
  parts.metadata = llama();
  const auto model = named_as_family(*Source::make(std::move(parts)));
  ASSERT_TRUE(model) << model.error().message();
  const TensorInfo* key = model->source.find("model.layers.0.self_attn.k_proj.weight");
  ASSERT_NE(key, nullptr);
  const auto read = model->source.read(*key);
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->shape, (Shape{16, 3}));
  for (std::size_t row = 0; row < 16; ++row) {
    EXPECT_EQ(read->as<std::uint8_t>()[3 * row], row);
  }
}

TEST(GgufNames, ExpertsAreTensorsOfTheirOwn) {
  const Metadata metadata = {{"general.architecture", "\"qwen3moe\""},
                             {"qwen3moe.expert_count", "4"}};
  const auto model = named_as_family(
      source_of(metadata, {tensor("blk.1.ffn_up_exps.weight", {4, 32, 22}, "Q5_0")}));
  ASSERT_TRUE(model) << model.error().message();
  ASSERT_EQ(model->source.tensors().size(), 4U);
  const TensorInfo* third = model->source.find("model.layers.1.mlp.experts.2.up_proj.weight");
  ASSERT_NE(third, nullptr);
  EXPECT_EQ(third->shape, (Shape{32, 22}));
  EXPECT_EQ(third->offset, 2U * 32 * 22);
  EXPECT_EQ(third->bytes, 32U * 22);
  const auto wrong = named_as_family(
      source_of(metadata, {tensor("blk.1.ffn_up_exps.weight", {3, 32, 22}, "Q5_0")}));
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().message(),
            "blk.1.ffn_up_exps.weight: [3, 32, 22], expected 4 experts in front");
}

TEST(GgufNames, StayWhereOneTensorHasNoOther) {
  const auto model =
      named_as_family(source_of(llama(), {tensor("blk.0.attn_v.weight", {32, 68}, "Q8_0"),
                                          tensor("rope_freqs.weight", {32})}));
  ASSERT_TRUE(model) << model.error().message();
  EXPECT_EQ(model->reason, "rope_freqs.weight has no name outside llama.cpp that this build knows");
  EXPECT_NE(model->source.find("blk.0.attn_v.weight"), nullptr);
  EXPECT_EQ(model->config.find("model_type")->as_string(), "gguf");
}

TEST(GgufNames, RefusesRowsThatHeadsDoNotDivide) {
  const auto model = named_as_family(source_of(llama(), {tensor("blk.0.attn_q.weight", {12, 4})}));
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().message(),
            "blk.0.attn_q.weight: 12 rows for 4 heads, expected pairs in each");
}

}  // namespace
}  // namespace requant
