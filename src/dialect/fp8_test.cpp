#include <gtest/gtest.h>

#include "dialect/module_list.h"
#include "dialect/testing.h"

namespace requant {
namespace {

using testing_support::FakeCheckpoint;
using testing_support::has_rule;

const Dialect& dialect() { return *find_dialect("fp8"); }

std::string config(std::string_view block) {
  return R"({"architectures":["LlamaForCausalLM"],"model_type":"llama","quantization_config":)" +
         std::string(block) + "}";
}

constexpr std::string_view kBlocks =
    R"({"quant_method":"fp8","activation_scheme":"dynamic","weight_block_size":[128,128]})";

std::vector<FakeCheckpoint::Entry> blocks() {
  return {{"model.layers.0.mlp.up_proj.weight", DType::kF8E4M3, {576, 256}},
          {"model.layers.0.mlp.up_proj.weight_scale_inv", DType::kF32, {5, 2}},
          {"model.embed_tokens.weight", DType::kBF16, {64, 256}}};
}

Result<Resolution> resolve(std::string_view block,
                           const std::vector<FakeCheckpoint::Entry>& entries) {
  const FakeCheckpoint fake(config(block), entries);
  return dialect().resolve(fake.facts());
}

TEST(Fp8Dialect, IsToldByItsScalesAlone) {
  const FakeCheckpoint fake("{}", blocks());
  EXPECT_EQ(dialect().recognize(fake.facts()).match, Match::kYes);
  const FakeCheckpoint other(config(R"({"quant_method":"quark"})"), blocks());
  EXPECT_EQ(dialect().recognize(other.facts()).match, Match::kNo);
}

TEST(Fp8Dialect, ResolvesRaggedBlocks) {
  const auto resolution = resolve(kBlocks, blocks());
  ASSERT_TRUE(resolution) << resolution.error().message();
  ASSERT_EQ(resolution->weights.size(), 1U);
  EXPECT_EQ(describe(resolution->weights[0].scheme),
            "e4m3fn per block 128x128, scale F32, activations e4m3fn dynamic per group 128");
  EXPECT_EQ(resolution->weights[0].rows, 576);
  EXPECT_TRUE(resolution->findings.empty());
}

TEST(Fp8Dialect, ReadsBothSpellingsOfStaticActivations) {
  for (const bool inverse : {true, false}) {
    const std::string scale = inverse ? "weight_scale_inv" : "weight_scale";
    const std::string input = inverse ? "activation_scale" : "input_scale";
    std::vector<FakeCheckpoint::Entry> entries = {{"a.weight", DType::kF8E4M3, {8, 4}},
                                                  {"a." + scale, DType::kF32, {}},
                                                  {"a." + input, DType::kF32, {}}};
    const std::string_view block = R"({"quant_method":"fp8","activation_scheme":"static"})";
    const auto resolution = resolve(block, entries);
    ASSERT_TRUE(resolution) << resolution.error().message();
    EXPECT_EQ(resolution->weights[0].scheme.activations,
              Activations::static_tensor(Element::kE4M3Fn));
    entries.pop_back();
    const auto missing = resolve(block, entries);
    ASSERT_FALSE(missing);
    EXPECT_NE(missing.error().message().find("a." + input), std::string::npos);
  }
}

// The same tensors mean the reverse where GPTQModel wrote them.
TEST(Fp8Dialect, DividesWhereTheConfigSaysInverse) {
  const std::vector<FakeCheckpoint::Entry> rows = {{"a.weight", DType::kF8E4M3, {8, 4}},
                                                   {"a.weight_scale_inv", DType::kF32, {8}}};
  const auto divided =
      resolve(R"({"quant_method":"fp8","weight_scale_semantics":"inverse"})", rows);
  ASSERT_TRUE(divided) << divided.error().message();
  EXPECT_EQ(describe(divided->weights[0].scheme),
            "e4m3fn per channel, scale F32, outer scale F32 per channel (divisor)");
  const auto multiplied = resolve(R"({"quant_method":"fp8"})", rows);
  ASSERT_TRUE(multiplied);
  EXPECT_FALSE(multiplied->weights[0].scheme.outer);
}

TEST(Fp8Dialect, TrustsTheScalesMoreThanTheBlockSize) {
  const auto resolution =
      resolve(R"({"quant_method":"fp8","weight_block_size":[64,64]})", blocks());
  ASSERT_TRUE(resolution);
  EXPECT_EQ(resolution->weights[0].scheme.grid, Grid::block(128, 128));
  EXPECT_TRUE(has_rule(resolution->findings, "fp8.block-size"));
}

TEST(Fp8Dialect, RefusesWhatContradicts) {
  const auto message = [](std::string_view block,
                          const std::vector<FakeCheckpoint::Entry>& entries) {
    const auto resolution = resolve(block, entries);
    return resolution ? std::string() : resolution.error().message();
  };
  EXPECT_EQ(message(kBlocks, {{"a.weight_scale_inv", DType::kF32, {1, 1}}}),
            "a.weight_scale_inv is F32 [1, 1], and there is no weight beside it");
  EXPECT_EQ(message(kBlocks, {{"a.weight", DType::kF8E4M3, {8, 4}}}),
            "a.weight is F8_E4M3 [8, 4], and there is no a.weight_scale_inv beside it");
  EXPECT_EQ(
      message(kBlocks, {{"a.weight", DType::kF8E4M3, {8, 4}},
                        {"a.weight_scale_inv", DType::kF32, {3, 1, 7}}}),
      "a.weight_scale_inv is F32 [3, 1, 7]: no grid of scales for a.weight is F8_E4M3 [8, 4]");
  EXPECT_EQ(message(R"({"quant_method":"fp8","weight_block_size":[128]})", blocks()),
            "config.json: 'quantization_config.weight_block_size' is [128], expected two positive "
            "integers or null");
  EXPECT_EQ(
      message(R"({"quant_method":"fp8","activation_scheme":7})", blocks()),
      "config.json: 'quantization_config.activation_scheme' is 7, expected static or dynamic");
}

TEST(Fp8Dialect, SaysWhatTheListGetsWrong) {
  auto entries = blocks();
  entries.push_back({"model.layers.0.self_attn.o_proj.weight", DType::kBF16, {256, 256}});
  const auto resolution = resolve(
      R"({"quant_method":"fp8","weight_block_size":[128,128],"modules_to_not_convert":["up_proj"]})",
      entries);
  ASSERT_TRUE(resolution);
  EXPECT_TRUE(has_rule(resolution->findings, "config.excluded-but-quantised"));
  EXPECT_TRUE(has_rule(resolution->findings, "config.targeted-but-dense"));
}

TargetWeight target(const Scheme& scheme) {
  TargetWeight weight;
  weight.module = "model.layers.0.mlp.up_proj";
  weight.scheme = scheme;
  return weight;
}

TEST(Fp8Dialect, WritesWhatItReads) {
  const FakeCheckpoint fake(config(kBlocks), blocks());
  const Scheme scheme = dialect().resolve(fake.facts())->weights[0].scheme;
  ASSERT_NE(dialect().codec_for(scheme), nullptr);
  EXPECT_EQ(dialect().codec_for(scheme)->name, "fp8-scale-inv");
  const Json json = Json::object();
  const std::vector quantized = {target(scheme)};
  std::vector unquantized = {target(Scheme::dense(DType::kBF16))};
  unquantized[0].module = "lm_head";
  const auto block =
      dialect().quantization_config({json, Architecture::of(json), quantized, unquantized});
  ASSERT_TRUE(block);
  EXPECT_EQ(block->find("weight_block_size")->dump(), "[128, 128]");
  EXPECT_EQ(block->find("modules_to_not_convert")->dump(), R"(["lm_head"])");
  EXPECT_TRUE(resolve(block->dump(), blocks()));
}

TEST(Fp8Dialect, DoesNotWriteWeightsWithoutQuantisedActivations) {
  EXPECT_EQ(dialect().codec_for({.element = Element::kE4M3Fn, .grid = Grid::block(128, 128)}),
            nullptr);
  EXPECT_EQ(dialect().codec_for({.element = Element::kE4M3Fn, .grid = Grid::channel()}), nullptr);
}

TEST(ModuleLists, CoverNamesSubtreesEndsAndGlobs) {
  const Json json = *parse_json(R"(["lm_head", "a.b", "vision*", "re:x\\.\\d+$", 3])");
  const ModuleList list(&json);
  for (const char* name :
       {"lm_head", "a.b", "a.b.c", "model.lm_head", "vision_tower.0.q", "x.12"}) {
    EXPECT_TRUE(list.covers(name)) << name;
  }
  for (const char* name : {"lm_head2", "a.bc", "a", "model.vision", "x.y", "y.x.1"}) {
    EXPECT_FALSE(list.covers(name)) << name;
  }
}

TEST(ModuleLists, MatchGlobsInLinearSteps) {
  EXPECT_TRUE(glob_matches("a*b?d", "axxbcd"));
  EXPECT_FALSE(glob_matches("a*b?d", "axxbcde"));
  EXPECT_TRUE(glob_matches("*", ""));
  EXPECT_FALSE(glob_matches("*a*a*a*a*a*a*b", std::string(4096, 'a')));
}

}  // namespace
}  // namespace requant
