#include "plan/regroup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cctype>
#include <random>

#include "plan/route.h"
#include "plan/testing.h"
#include "support/support.h"

namespace requant {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;
using testing_support::convert_folder;
using testing_support::ConvertCall;
using testing_support::corpus_folder;
using testing_support::corpus_named;
using testing_support::different_tensors;
using testing_support::mismatches;
using testing_support::read_file;
using testing_support::TemporaryFolder;
using testing_support::write_checkpoint;
using testing_support::write_file;

constexpr auto kGptOss = "byhand__mxfp4__tiny_gptoss";

void expect_converted(const fs::path& from, const fs::path& out, const ConvertCall& call) {
  const auto report = convert_folder(from, out, call);
  ASSERT_TRUE(report) << report.error().message();
}

std::string error_of(const fs::path& from, const fs::path& out, const ConvertCall& call) {
  const auto report = convert_folder(from, out, call);
  return report ? "no error" : report.error().message();
}

Tensor random_bytes(DType dtype, const Shape& shape, std::mt19937& random) {
  auto out = TensorBuilder::make(dtype, shape);
  for (std::uint8_t& byte : out->as<std::uint8_t>()) {
    byte = static_cast<std::uint8_t>(random() % 120);
  }
  return std::move(*out).finish();
}

class GptOss : public testing::Test {
 protected:
  void SetUp() override {
    source_ = corpus_folder(kGptOss);
    ASSERT_FALSE(source_.empty());
  }
  fs::path source_;
  TemporaryFolder work_;
};

TEST_F(GptOss, IsTakenApartIntoTwoMatricesAndABiasForEachExpert) {
  expect_converted(source_, work_ / "ct", {.to = "compressed-tensors"});
  const auto opened = open_source(work_ / "ct");
  ASSERT_TRUE(opened);
  for (const char* name : {"gate_proj", "up_proj"}) {
    const std::string module = std::string("model.layers.1.mlp.experts.3.") + name;
    const TensorInfo* packed = opened->find(module + ".weight_packed");
    ASSERT_NE(packed, nullptr) << name;
    EXPECT_EQ(packed->shape, (Shape{256, 128}));
    const TensorInfo* bias = opened->find(module + ".bias");
    ASSERT_NE(bias, nullptr) << name;
    EXPECT_EQ(bias->shape, Shape{256});
  }
  EXPECT_EQ(opened->find("model.layers.0.mlp.experts.gate_up_proj_bias"), nullptr);
  EXPECT_THAT(mismatches(source_, work_ / "ct"), IsEmpty());
  EXPECT_THAT(mismatches(work_ / "ct", source_), IsEmpty());
}

TEST_F(GptOss, ComesBackByteForByte) {
  expect_converted(source_, work_ / "ct", {.to = "compressed-tensors"});
  expect_converted(work_ / "ct", work_ / "back", {.to = "mxfp4"});
  EXPECT_THAT(different_tensors(source_, work_ / "back"), IsEmpty());
  const auto after = Checkpoint::open(work_ / "back");
  ASSERT_TRUE(after) << after.error().message();
  const auto before = Checkpoint::open(source_);
  EXPECT_EQ(after->config().dump(2), before->config().dump(2));
}

TEST_F(GptOss, StaysWhatItIsInItsOwnDialect) {
  expect_converted(source_, work_ / "own", {.to = "mxfp4"});
  EXPECT_THAT(different_tensors(source_, work_ / "own"), IsEmpty());
}

TEST_F(GptOss, IsUnquantisedAsTheFamilyStoresIt) {
  expect_converted(source_, work_ / "dense", {.to = "dense:bf16"});
  const auto opened = open_source(work_ / "dense");
  const TensorInfo* stack = opened->find("model.layers.0.mlp.experts.gate_up_proj");
  ASSERT_NE(stack, nullptr);
  EXPECT_EQ(stack->shape, (Shape{4, 256, 512}));
  EXPECT_THAT(mismatches(source_, work_ / "dense"), IsEmpty());
  expect_converted(work_ / "dense", work_ / "apart", {.to = "dense", .layout = {"split-experts"}});
  EXPECT_THAT(mismatches(source_, work_ / "apart"), IsEmpty());
  EXPECT_THAT(mismatches(work_ / "dense", work_ / "apart"), IsEmpty());
  expect_converted(work_ / "apart", work_ / "again", {.to = "dense", .layout = {"merge-experts"}});
  EXPECT_THAT(different_tensors(work_ / "dense", work_ / "again"), IsEmpty());
}

TEST_F(GptOss, IsToldApartWhenOneExpertDiffers) {
  expect_converted(source_, work_ / "ct", {.to = "compressed-tensors"});
  const auto opened = open_source(work_ / "ct");
  const TensorInfo* packed = opened->find("model.layers.1.mlp.experts.2.up_proj.weight_packed");
  ASSERT_NE(packed, nullptr);
  std::string bytes = read_file(work_ / "ct" / "model.safetensors");
  bytes[packed->offset + 128 * 3] ^= 1;
  write_file(work_ / "ct" / "model.safetensors", bytes);
  const auto found = mismatches(source_, work_ / "ct");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_THAT(found[0], HasSubstr("model.layers.1.mlp.experts.2.up_proj: differs [3, 0]"));
}

TEST_F(GptOss, IsRefusedWhereTheTargetHasNoSuchStructure) {
  EXPECT_THAT(error_of(source_, work_ / "a", {.to = "mxfp4", .layout = {"split-experts"}}),
              HasSubstr("in stacks only"));
  EXPECT_THAT(
      error_of(source_, work_ / "b", {.to = "compressed-tensors", .layout = {"merge-experts"}}),
      HasSubstr("has no stacks of experts"));
  for (const fs::path& llama : corpus_named("llmcompressor__MXFP4__tiny_llama")) {
    EXPECT_THAT(error_of(llama, work_ / "c", {.to = "mxfp4"}), HasSubstr("and nothing else"));
  }
  EXPECT_THAT(error_of(source_, work_ / "d", {.layout = {"split-everything"}}),
              HasSubstr("--layout"));
}

// One layer of experts, of any sizes.
class Stacks : public testing::Test {
 protected:
  static std::string config(std::int64_t experts, std::int64_t inner, std::int64_t hidden = 64) {
    return R"({"architectures": ["GptOssForCausalLM"], "model_type": "gpt_oss", "vocab_size": 16,
      "num_hidden_layers": 1, "num_attention_heads": 1, "head_dim": 8, "hidden_size": )" +
           std::to_string(hidden) + R"(, "num_local_experts": )" + std::to_string(experts) +
           R"(, "intermediate_size": )" + std::to_string(inner) +
           R"(, "tie_word_embeddings": true, "quantization_config": {"quant_method": "mxfp4"}})";
  }

  std::map<std::string, Tensor> tensors(std::int64_t experts = 2, std::int64_t inner = 32,
                                        std::int64_t hidden = 64) {
    const std::string module = "model.layers.0.mlp.experts.";
    const auto bytes = [&](const Shape& shape) { return random_bytes(DType::kU8, shape, random_); };
    const auto values = [&](const Shape& shape) {
      return random_bytes(DType::kBF16, shape, random_);
    };
    return {{"model.embed_tokens.weight", values({16, hidden})},
            {"model.norm.weight", values({hidden})},
            {"model.layers.0.input_layernorm.weight", values({hidden})},
            {"model.layers.0.post_attention_layernorm.weight", values({hidden})},
            {"model.layers.0.self_attn.q_proj.weight", values({8, hidden})},
            {"model.layers.0.self_attn.k_proj.weight", values({8, hidden})},
            {"model.layers.0.self_attn.v_proj.weight", values({8, hidden})},
            {"model.layers.0.self_attn.o_proj.weight", values({hidden, 8})},
            {module + "gate_up_proj_blocks", bytes({experts, 2 * inner, hidden / 32, 16})},
            {module + "gate_up_proj_scales", bytes({experts, 2 * inner, hidden / 32})},
            {module + "gate_up_proj_bias", values({experts, 2 * inner})},
            {module + "down_proj_blocks", bytes({experts, hidden, inner / 32, 16})},
            {module + "down_proj_scales", bytes({experts, hidden, inner / 32})},
            {module + "down_proj_bias", values({experts, hidden})}};
  }

  std::string result_of(const std::string& config, const std::map<std::string, Tensor>& tensors) {
    const fs::path folder = work_ / ("in" + std::to_string(++count_));
    write_checkpoint(folder, config, tensors);
    return error_of(folder, work_ / ("out" + std::to_string(count_)), {});
  }

  std::mt19937 random_{5};
  TemporaryFolder work_;
  int count_ = 0;
};

TEST_F(Stacks, OfRandomSizesComeBackByteForByte) {
  for (int round = 0; round < 12; ++round) {
    const auto experts = static_cast<std::int64_t>(1 + random_() % 5);
    const auto inner = static_cast<std::int64_t>(32 * (1 + random_() % 4));
    const auto hidden = static_cast<std::int64_t>(32 * (1 + random_() % 4));
    SCOPED_TRACE(to_string({experts, inner, hidden}));
    const std::string number = std::to_string(round);
    const fs::path folder = work_ / ("stack" + number);
    write_checkpoint(folder, config(experts, inner, hidden), tensors(experts, inner, hidden));
    const fs::path apart = work_ / ("apart" + number);
    expect_converted(folder, apart, {.to = "compressed-tensors"});
    EXPECT_THAT(mismatches(folder, apart), IsEmpty());
    const fs::path back = work_ / ("back" + number);
    expect_converted(apart, back, {.to = "mxfp4"});
    EXPECT_THAT(different_tensors(folder, back), IsEmpty());
  }
}

TEST_F(Stacks, ExpertsAndRowsThatConfigDoesNotHaveAreNamed) {
  EXPECT_THAT(result_of(config(8, 32), tensors()), HasSubstr("config.json asks for 8 of 64"));
  EXPECT_THAT(result_of(config(2, 48), tensors()), HasSubstr("config.json asks for 2 of 96"));
  std::string silent = config(2, 32);
  silent.replace(silent.find("num_local_experts"), 17, "nothing_of_the_sort");
  EXPECT_THAT(result_of(silent, tensors()), HasSubstr("config.json does not say"));
}

TEST_F(Stacks, TensorsOfOtherShapesAreNamed) {
  const std::string bias = "model.layers.0.mlp.experts.gate_up_proj_bias";
  for (const Shape& shape :
       {Shape{2, 63}, Shape{3, 64}, Shape{128}, Shape{1, 128}, Shape{2, 2, 2, 16}}) {
    auto some = tensors();
    some[bias] = random_bytes(DType::kBF16, shape, random_);
    EXPECT_THAT(result_of(config(2, 32), some), HasSubstr(bias)) << to_string(shape);
  }
  auto some = tensors();
  some[bias] = random_bytes(DType::kI8, {2, 64}, random_);
  EXPECT_THAT(result_of(config(2, 32), some), HasSubstr("is I8"));
  const std::string scales = "model.layers.0.mlp.experts.down_proj_scales";
  some = tensors();
  some[scales] = random_bytes(DType::kU8, {1, 64, 1}, random_);
  EXPECT_THAT(result_of(config(2, 32), some), HasSubstr(scales));
}

// Every family that inherits llama's rows may have q/k/v and gate/up in one matrix.
class FusedSchemes : public testing::TestWithParam<const char*> {
 protected:
  // Writers may store what says nothing (a trivial g_idx), which re-encoding leaves out.
  static bool is_all_as_written(const fs::path& folder) {
    const auto opened = Checkpoint::open(folder);
    return opened && std::ranges::all_of(opened->weights(), is_as_written);
  }
};

TEST_P(FusedSchemes, AreMergedAndSplitAgain) {
  for (const fs::path& folder : corpus_named(GetParam())) {
    TemporaryFolder work;
    const auto opened = Checkpoint::open(folder);
    ASSERT_TRUE(opened) << opened.error().message();
    const std::string own(opened->dialect().name);
    expect_converted(folder, work / "plain", {.to = own});
    expect_converted(work / "plain", work / "merged", {.to = own, .layout = {"merge-fused"}});
    const auto source = open_source(work / "merged");
    ASSERT_TRUE(source);
    for (const TensorInfo& tensor : source->tensors()) {
      EXPECT_EQ(tensor.name.find(".k_proj."), std::string::npos) << tensor.name;
    }
    EXPECT_THAT(mismatches(work / "plain", work / "merged"), IsEmpty());
    EXPECT_THAT(mismatches(work / "merged", work / "plain"), IsEmpty());
    expect_converted(work / "merged", work / "split", {.to = own, .layout = {"split-fused"}});
    EXPECT_THAT(mismatches(folder, work / "split"), IsEmpty());
    if (is_all_as_written(work / "plain")) {
      EXPECT_THAT(different_tensors(work / "plain", work / "split"), IsEmpty());
    }
    expect_converted(work / "split", work / "again", {.to = own, .layout = {"merge-fused"}});
    EXPECT_THAT(different_tensors(work / "merged", work / "again"), IsEmpty());
  }
}

INSTANTIATE_TEST_SUITE_P(
    Corpus, FusedSchemes,
    testing::Values("autoawq__gemm-w4g128__tiny_llama", "llmcompressor__FP8_DYNAMIC__tiny_llama",
                    "llmcompressor__W8A8__tiny_llama", "llmcompressor__W4A16_ASYM__tiny_llama",
                    "llmcompressor__FP8_BLOCK__tiny_llama", "llmcompressor__MXFP4__tiny_llama",
                    "gptqmodel__gptq-w4g128-sym__tiny_llama",
                    "autoround__auto_round-w4g128__tiny_llama",
                    "llmcompressor__W8A8-asym-static__tiny_llama"),
    [](const auto& test) {
      std::string name;
      for (const char c : std::string(test.param)) {
        if (std::isalnum(static_cast<unsigned char>(c)) != 0) name += c;
      }
      return name;
    });

TEST(Fused, NamesHarmoniseFusedWhereTheScalesDiffer) {
  for (const fs::path& folder : corpus_named("llmcompressor__FP8__tiny_llama")) {
    TemporaryFolder work;
    EXPECT_THAT(error_of(folder, work / "out", {.layout = {"merge-fused"}}),
                HasSubstr("--harmonise-fused"));
  }
}

TEST(Fused, TakesTheGroupsOfInternLmApart) {
  const fs::path folder = corpus_folder("lmdeploy__sq-fp8-v072__tiny-internvl25");
  ASSERT_FALSE(folder.empty());
  TemporaryFolder work;
  expect_converted(folder, work / "plain", {.to = "lmdeploy"});
  expect_converted(folder, work / "split", {.layout = {"split-fused"}});
  const auto source = open_source(work / "split");
  EXPECT_NE(source->find("language_model.model.layers.0.attention.k_proj.weight"), nullptr);
  EXPECT_EQ(source->find("language_model.model.layers.0.attention.wqkv.weight"), nullptr);
  EXPECT_THAT(mismatches(folder, work / "split"), IsEmpty());
  expect_converted(work / "split", work / "back", {.to = "lmdeploy", .layout = {"merge-fused"}});
  EXPECT_THAT(different_tensors(work / "plain", work / "back"), IsEmpty());
}

TEST(Experts, OfOneMatrixEachBecomeAStackAndComeBack) {
  for (const fs::path& folder : corpus_named("tiny-qwen3moe")) {
    TemporaryFolder work;
    expect_converted(folder, work / "stack", {.to = "dense", .layout = {"merge-experts"}});
    const auto source = open_source(work / "stack");
    const TensorInfo* stack = source->find("model.layers.1.mlp.experts.gate_up_proj");
    ASSERT_NE(stack, nullptr);
    EXPECT_EQ(stack->shape, (Shape{4, 256, 256}));
    EXPECT_THAT(mismatches(folder, work / "stack"), IsEmpty());
    expect_converted(work / "stack", work / "back", {.to = "dense", .layout = {"split-experts"}});
    EXPECT_THAT(different_tensors(folder, work / "back"), IsEmpty());
  }
}

TEST_F(GptOss, NamesTheExpertThatIsNotThere) {
  expect_converted(source_, work_ / "ct", {.to = "compressed-tensors"});
  const auto opened = open_source(work_ / "ct");
  std::map<std::string, Tensor> tensors;
  for (const TensorInfo& info : opened->tensors()) {
    if (info.name.find("layers.1.mlp.experts.2.up_proj.") != std::string::npos) continue;
    tensors.emplace(info.name, *opened->read(info));
  }
  write_checkpoint(work_ / "in", read_file(work_ / "ct" / "config.json"), tensors);
  EXPECT_THAT(error_of(work_ / "in", work_ / "out", {.to = "mxfp4"}),
              HasSubstr("model.layers.1.mlp.experts.2.up_proj first"));
}

TEST(Layout, RefusesBothWays) {
  EXPECT_FALSE(parse_layout({"split-fused", "merge-fused"}));
  const auto both = parse_layout({"split-fused", "merge-experts"});
  ASSERT_TRUE(both);
  EXPECT_EQ(*both, (LayoutRequest{Structure::kSplit, Structure::kMerged}));
}

}  // namespace
}  // namespace requant
