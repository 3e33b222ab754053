#include "plan/block_recipe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/letter_case.h"
#include "container/ggml_types.h"
#include "container/gguf_file.h"
#include "plan/receipt.h"
#include "plan/recipe.h"
#include "plan/run_plan.h"
#include "plan/testing.h"
#include "support/support.h"

namespace requant {
namespace {

namespace fs = std::filesystem;
using testing::IsEmpty;
using testing_support::corpus_folder;
using testing_support::TemporaryFolder;

// Layers of each type of a tensor: "q6_k 0 1 5, q4_k 2 3 4".
std::string types_of(std::string_view recipe, std::string_view tensor, ModelShape model) {
  std::vector<std::pair<std::string, std::string>> layers;
  for (std::int64_t layer = 0; layer < model.layers; ++layer) {
    const std::string type = find_block_recipe(recipe)->type_of(
        "blk." + std::to_string(layer) + "." + std::string(tensor), model);
    auto known = std::ranges::find(layers, type, [](const auto& entry) { return entry.first; });
    if (known == layers.end()) known = layers.insert(known, {type, ""});
    known->second += " " + std::to_string(layer);
  }
  std::string text;
  for (const auto& [type, list] : layers) text += (text.empty() ? "" : ", ") + type + list;
  return text;
}

// llama_tensor_get_type_impl() worked out by hand for 16 layers.
TEST(BlockRecipe, ChoosesByLayer) {
  const ModelShape model = {.layers = 16, .heads_per_kv = 2};
  EXPECT_EQ(types_of("q4_k_m", "attn_v", model),
            "q6_k 0 1 4 7 10 13 14 15, q4_k 2 3 5 6 8 9 11 12");
  EXPECT_EQ(types_of("q4_k_m", "ffn_down", model), types_of("q4_k_m", "attn_v", model));
  EXPECT_EQ(types_of("q4_k_s", "attn_v", model),
            "q5_k 0 1 2 3, q4_k 4 5 6 7 8 9 10 11 12 13 14 15");
  EXPECT_EQ(types_of("q4_k_s", "ffn_down", model),
            "q5_k 0 1, q4_k 2 3 4 5 6 7 8 9 10 11 12 13 14 15");
  EXPECT_EQ(types_of("q3_k_m", "ffn_down", model),
            "q5_k 0, q4_k 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15");
  EXPECT_EQ(types_of("q3_k_m", "attn_v", model),
            "q5_k 0 1, q4_k 2 3 4 5 6 7 8 9 10 11 12 13 14 15");
}

TEST(BlockRecipe, ChoosesByTheModel) {
  const auto type = [](std::string_view recipe, std::string_view tensor, const ModelShape& model) {
    return find_block_recipe(recipe)->type_of(tensor, model);
  };
  EXPECT_EQ(type("q2_k", "blk.0.attn_v", {.layers = 2, .heads_per_kv = 2}), "q3_k");
  EXPECT_EQ(type("q2_k", "blk.0.attn_v", {.layers = 2, .heads_per_kv = 4}), "q4_k");
  EXPECT_EQ(type("q2_k", "blk.0.attn_v", {.layers = 80, .heads_per_kv = 8}), "q5_k");
  EXPECT_EQ(type("q4_k_m", "blk.0.attn_v", {.layers = 2, .experts = 8}), "q8_0");
  EXPECT_EQ(type("q4_k_m", "blk.1.attn_output", {.layers = 2, .experts = 8}), "q5_k");
  EXPECT_EQ(type("q4_k_m", "output", {.layers = 2}), "q6_k");
  EXPECT_EQ(type("q4_k_m", "token_embd", {.layers = 2}), "q4_k");
  EXPECT_EQ(type("q4_k_m", "token_embd", {.layers = 2, .has_output = false}), "q6_k");
  EXPECT_EQ(type("iq4_xs", "blk.0.ffn_down", {.layers = 8}), "q5_k");
  EXPECT_EQ(type("iq4_xs", "blk.0.ffn_down", {.layers = 8, .has_importance = true}), "iq4_xs");
  EXPECT_EQ(type("q4_0", "blk.0.ffn_down", {.layers = 8, .has_importance = true}), "q4_1");
  EXPECT_EQ(type("mxfp4_moe", "blk.0.ffn_up_exps", {.layers = 8, .experts = 4}), "mxfp4");
  EXPECT_EQ(type("mxfp4_moe", "blk.0.attn_q", {.layers = 8, .experts = 4}), "q8_0");
  EXPECT_EQ(find_block_recipe("q4_k"), nullptr);
}

TEST(BlockRecipe, TakesTheNextTypeWhereRowsAreNotWholeBlocks) {
  EXPECT_EQ(fitting_block_type("q4_k", 512), "q4_k");
  EXPECT_EQ(fitting_block_type("q4_k", 576), "q5_0");
  EXPECT_EQ(fitting_block_type("q6_k", 576), "q8_0");
  EXPECT_EQ(fitting_block_type("iq4_xs", 576), "iq4_nl");
  EXPECT_EQ(fitting_block_type("q4_0", 48), std::nullopt);
  EXPECT_EQ(fitting_block_type("q4_k", 48), std::nullopt);
}

// A file of data that names what is nothing would be found by no test of one model.
TEST(BlockRecipe, NamesTypesThatCanBeWritten) {
  ASSERT_GT(block_recipes().size(), 15U);
  for (const BlockRecipe& recipe : block_recipes()) {
    SCOPED_TRACE(recipe.name);
    EXPECT_FALSE(recipe.what.empty());
    EXPECT_FALSE(recipe.source.empty());
    for (const char* tensor : {"output", "token_embd", "blk.0.attn_v", "blk.1.attn_v",
                               "blk.0.attn_k", "blk.0.attn_output", "blk.0.ffn_down",
                               "blk.1.ffn_down", "blk.0.ffn_up_exps", "blk.0.attn_q"}) {
      for (const std::int64_t experts : {0, 8}) {
        const std::string& type = recipe.type_of(tensor, {.layers = 2, .experts = experts});
        ASSERT_NE(ggml_type(to_upper(type)), nullptr) << type;
        const Codec* codec = find_codec("gguf-" + type);
        ASSERT_NE(codec, nullptr) << type;
        EXPECT_NE(codec->encode, nullptr) << type;
      }
    }
  }
}

Result<void> quantise(const fs::path& from, const fs::path& out, std::string_view mix) {
  RQ_TRY(const Checkpoint checkpoint, Checkpoint::open(from));
  PlanRequest request;
  RQ_TRY(request.target, parse_target("gguf:" + std::string(mix)));
  RQ_TRY(const Recipe recipe,
         Recipe::make(*find_block_recipe(mix), Recipe::usual_ignore_of_blocks()));
  request.recipe = &recipe;
  RQ_TRY(const Plan plan, make_plan(checkpoint, request));
  RQ_TRY(OutputFolder folder,
         OutputFolder::begin(
             out, {.input = from, .overwrite = false, .receipt = std::string(kReceiptName)}));
  RQ_CHECK(run_plan(checkpoint, plan, folder, {}));
  return folder.commit();
}

// Names of tensors that are not the same type and bytes in both files.
std::vector<std::string> different_blocks(const Source& ours, const Source& theirs) {
  std::vector<std::string> names;
  for (const TensorInfo& info : theirs.tensors()) {
    const TensorInfo* own = ours.find(info.name);
    if (own == nullptr || own->encoding() != info.encoding() ||
        !same_bits(*ours.read(*own), *theirs.read(info))) {
      names.push_back(info.name);
    }
  }
  return names;
}

// llama-quantize itself wrote the files of the corpus.
TEST(BlockRecipe, GivesTheFilesOfLlamaQuantize) {
  const TemporaryFolder work;
  const std::pair<const char*, const char*> cases[] = {
      {"q2_k", "tiny-llama"},  {"q3_k_s", "tiny-llama"},    {"q4_0", "tiny-llama"},
      {"q4_1", "tiny-llama"},  {"q4_k_s", "tiny-llama"},    {"q5_0", "tiny-llama"},
      {"q6_k", "tiny-llama"},  {"q8_0", "tiny-llama"},      {"iq4_xs", "tiny-llama"},
      {"tq2_0", "tiny-llama"}, {"q4_k_m", "tiny-qwen3moe"},
  };
  for (const auto& [mix, model] : cases) {
    std::string name = model;
    std::ranges::replace(name, '-', '_');
    const fs::path theirs = corpus_folder("llamacpp__" + std::string(mix) + "__" + name);
    const fs::path source = corpus_folder(model);
    if (theirs.empty() || source.empty()) continue;  // only a part of the corpus is at hand
    SCOPED_TRACE(mix);
    const auto done = quantise(source, work / mix, mix);
    ASSERT_TRUE(done) << done.error().message();
    const auto written = open_source(work / mix);
    const auto expected = open_source(theirs);
    ASSERT_TRUE(written && expected);
    EXPECT_EQ(written->tensors().size(), expected->tensors().size());
    EXPECT_THAT(different_blocks(*written, *expected), IsEmpty());
    EXPECT_EQ(written->metadata().at("general.file_type"),
              expected->metadata().at("general.file_type"));
  }
}

TEST(BlockRecipe, IsNotWhatConvertTakes) {
  const auto checkpoint = Checkpoint::open(corpus_folder("tiny-llama"));
  ASSERT_TRUE(checkpoint);
  PlanRequest request;
  request.target = *parse_target("gguf:q4_k_m");
  const auto plan = make_plan(*checkpoint, request);
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().message(), "q4_k_m is a mix of block types; `requant quantize` makes it");
  EXPECT_FALSE(parse_target("awq:q4_k_m"));
}

}  // namespace
}  // namespace requant
