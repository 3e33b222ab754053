#include <gtest/gtest.h>

#include "dialect/testing.h"

namespace requant {
namespace {

using testing_support::FakeCheckpoint;
using testing_support::has_rule;

const Dialect& dialect() { return *find_dialect("modelopt"); }

std::string config(std::string_view algorithm, std::string_view more = "") {
  return R"({"architectures":["LlamaForCausalLM"],"model_type":"llama","quantization_config":
             {"quant_method":"modelopt","ignore":["lm_head"],"quant_algo":")" +
         std::string(algorithm) + "\"" + std::string(more) + "}}";
}

std::vector<FakeCheckpoint::Entry> nvfp4(std::string_view module) {
  const std::string name(module);
  return {{name + ".weight", DType::kU8, {8, 32}},
          {name + ".weight_scale", DType::kF8E4M3, {8, 4}},
          {name + ".weight_scale_2", DType::kF32, {}}};
}

Result<Resolution> resolve(const std::string& text,
                           const std::vector<FakeCheckpoint::Entry>& entries) {
  const FakeCheckpoint fake(text, entries);
  return dialect().resolve(fake.facts());
}

std::string scheme_in(const std::string& text, const std::vector<FakeCheckpoint::Entry>& entries) {
  const auto resolution = resolve(text, entries);
  if (!resolution) return resolution.error().message();
  return resolution->weights.empty() ? "nothing" : describe(resolution->weights[0].scheme);
}

TEST(ModeloptDialect, TellsNvfp4WithoutAConfig) {
  const FakeCheckpoint fake("{}", nvfp4("a"));
  EXPECT_EQ(dialect().recognize(fake.facts()).match, Match::kYes);
  EXPECT_EQ(scheme_in("{}", nvfp4("a")),
            "e2m1 per group 16, scale F8_E4M3, outer scale F32 per tensor");
}

TEST(ModeloptDialect, ResolvesEachAlgorithm) {
  EXPECT_EQ(scheme_in(config("FP8"), {{"a.weight", DType::kF8E4M3, {8, 4}},
                                      {"a.weight_scale", DType::kF32, {}},
                                      {"a.input_scale", DType::kF32, {}}}),
            "e4m3fn per tensor, scale F32, activations e4m3fn static per tensor");
  EXPECT_EQ(scheme_in(config("FP8_PER_CHANNEL_PER_TOKEN"),
                      {{"a.weight", DType::kF8E4M3, {8, 4}}, {"a.weight_scale", DType::kF32, {8}}}),
            "e4m3fn per channel, scale F32, activations e4m3fn dynamic per token");
  EXPECT_EQ(scheme_in(config("fp8_pb_wo"), {{"a.weight", DType::kF8E4M3, {256, 128}},
                                            {"a.weight_scale", DType::kF32, {2, 1, 1, 1}}}),
            "e4m3fn per block 128x128, scale F32");
  EXPECT_EQ(scheme_in(config("FP8_PB_WO"), {{"a.weight", DType::kF8E4M3, {192, 576}},
                                            {"a.weight_scale", DType::kF32, {2, 1, 5, 1}}}),
            "e4m3fn per block 128x128, scale F32");
  EXPECT_EQ(scheme_in(config("W8A8_SQ_PER_CHANNEL"), {{"a.weight", DType::kI8, {8, 4}},
                                                      {"a.weight_scale", DType::kF32, {8}},
                                                      {"a.input_scale", DType::kF32, {}},
                                                      {"a.pre_quant_scale", DType::kBF16, {4}}}),
            "int8 per channel, scale F32, input multiplier, activations int8 static per tensor");
  EXPECT_EQ(scheme_in(config("W8A16"),
                      {{"a.weight", DType::kI8, {8, 4}}, {"a.weight_scale", DType::kF32, {8}}}),
            "int8 per channel, scale F32");
  EXPECT_EQ(scheme_in(config("W4A8_AWQ"), {{"a.weight", DType::kU8, {4, 64}},
                                           {"a.weight_scale", DType::kF32, {8, 2}},
                                           {"a.weight_scale_2", DType::kF32, {}},
                                           {"a.input_scale", DType::kF32, {}}}),
            "int4 per group 32, scale F32, activations e4m3fn static per tensor");
  EXPECT_EQ(scheme_in(config("mxfp4"),
                      {{"a.weight", DType::kU8, {8, 32}}, {"a.weight_scale", DType::kU8, {8, 2}}}),
            "e2m1 per group 32, scale F8_E8M0, activations e2m1 dynamic per group 32");
  EXPECT_EQ(scheme_in(config("MXFP8"), {{"a.weight", DType::kF8E4M3, {8, 64}},
                                        {"a.weight_scale", DType::kU8, {8, 2}}}),
            "e4m3fn per group 32, scale F8_E8M0, activations e4m3fn dynamic per group 32");
}

TEST(ModeloptDialect, ResolvesMixedPrecisionByLayer) {
  auto entries = nvfp4("model.layers.0.mlp.up_proj");
  entries.push_back({"model.layers.0.self_attn.o_proj.weight", DType::kF8E4M3, {8, 4}});
  entries.push_back({"model.layers.0.self_attn.o_proj.weight_scale", DType::kF32, {}});
  entries.push_back({"model.layers.0.self_attn.o_proj.input_scale", DType::kF32, {}});
  const auto resolution = resolve(config("MIXED_PRECISION", R"(,"quantized_layers":{
                "model.layers.0.mlp.up_proj":{"quant_algo":"W4A16_NVFP4","group_size":16},
                "model.layers.0.self_attn.o_proj":{"quant_algo":"FP8"}})"),
                                  entries);
  ASSERT_TRUE(resolution) << resolution.error().message();
  EXPECT_EQ(resolution->weights.size(), 2U);
  EXPECT_TRUE(resolution->findings.empty());
}

TEST(ModeloptDialect, SaysWhereNameAndTensorsDiffer) {
  const auto other = resolve(config("FP8"), nvfp4("a"));
  ASSERT_TRUE(other) << other.error().message();
  EXPECT_TRUE(has_rule(other->findings, "config.scheme-disagrees"));
  const auto weight_only = resolve(config("NVFP4"), nvfp4("a"));
  ASSERT_TRUE(weight_only);
  EXPECT_TRUE(has_rule(weight_only->findings, "modelopt.no-input-scale"));
}

TEST(ModeloptDialect, RefusesWhatItWouldLose) {
  auto entries = nvfp4("a");
  entries.push_back({"a.svdquant_lora_a", DType::kBF16, {8, 64}});
  EXPECT_EQ(resolve(config("NVFP4_SVD"), entries).error().code(), ErrorCode::kRefused);
  EXPECT_EQ(resolve("{}", entries).error().code(), ErrorCode::kRefused);
  const auto extra = resolve(config("FP8"), {{"a.weight", DType::kF8E4M3, {8, 4}},
                                             {"a.weight_scale", DType::kF32, {}},
                                             {"a.weight_scale_2", DType::kF32, {}}});
  ASSERT_FALSE(extra);
  EXPECT_EQ(extra.error().message(),
            "a.weight_scale_2 is F32 [], which modelopt-w8 has no place for");
}

TargetWeight target(std::string module, const Scheme& scheme) {
  TargetWeight weight;
  weight.module = std::move(module);
  weight.scheme = scheme;
  return weight;
}

TEST(ModeloptDialect, WritesBothFiles) {
  const Json json = Json::object();
  const Scheme int4 = {.bits = 4, .grid = Grid::group(128), .input_multiplier = true};
  ASSERT_NE(dialect().codec_for(int4), nullptr);
  const std::vector quantized = {target("a", int4)};
  const std::vector unquantized = {target("lm_head", Scheme::dense(DType::kBF16))};
  const ConfigRequest request = {json, Architecture::of(json), quantized, unquantized};
  const auto block = dialect().quantization_config(request);
  ASSERT_TRUE(block) << block.error().message();
  EXPECT_EQ(*block->find("quant_algo")->as_string(), "W4A16_AWQ");
  EXPECT_EQ(block->find("ignore")->dump(), R"(["lm_head"])");
  const auto files = dialect().side_files(request);
  ASSERT_TRUE(files);
  const Json& quantization = *files->at("hf_quant_config.json").find("quantization");
  EXPECT_EQ(*quantization.find("group_size")->as_int(), 128);
  EXPECT_EQ(*quantization.find("pre_quant_scale")->as_bool(), true);
}

TEST(ModeloptDialect, WritesSeveralAlgorithmsAsMixed) {
  const Json json = Json::object();
  const Scheme fp8 = {.element = Element::kE4M3Fn,
                      .activations = Activations::static_tensor(Element::kE4M3Fn)};
  const Scheme int8 = {.grid = Grid::channel()};
  const std::vector quantized = {target("a", fp8), target("b", int8)};
  const auto block = dialect().quantization_config({json, Architecture::of(json), quantized, {}});
  ASSERT_TRUE(block);
  EXPECT_EQ(*block->find("quant_algo")->as_string(), "MIXED_PRECISION");
  EXPECT_EQ(*block->at({"quantized_layers", "b", "quant_algo"})->as_string(), "W8A16");
}

TEST(ModeloptDialect, HasNoNameForOtherSchemes) {
  EXPECT_EQ(dialect().codec_for({.grid = Grid::tensor()}), nullptr);
  EXPECT_EQ(dialect().codec_for({.element = Element::kE4M3Fn, .grid = Grid::block(64, 64)}),
            nullptr);
  EXPECT_EQ(dialect().codec_for({.element = Element::kE5M2}), nullptr);
}

std::vector<FakeCheckpoint::Entry> fp8_stack(std::string_view name) {
  const std::string stack(name);
  return {{stack, DType::kF8E4M3, {4, 32, 16}},
          {stack + "_weight_scale", DType::kF32, {}},
          {stack + "_input_scale", DType::kF32, {}}};
}

TEST(ModeloptDialect, ReadsStacksOfExperts) {
  const auto resolution = resolve(config("FP8"), fp8_stack("a.experts.gate_up_proj"));
  ASSERT_TRUE(resolution) << resolution.error().message();
  ASSERT_EQ(resolution->weights.size(), 1U);
  const Weight& weight = resolution->weights.front();
  EXPECT_EQ(weight.module, "a.experts.gate_up_proj");
  EXPECT_EQ(weight.experts, 4);
  EXPECT_EQ(weight.rows, 4 * 16);
  EXPECT_EQ(weight.cols, 32);
  EXPECT_EQ(weight.parts.size(), 3U);
  EXPECT_EQ(describe(weight.scheme),
            "e4m3fn per tensor, scale F32, activations e4m3fn static per tensor");
  EXPECT_FALSE(has_rule(resolution->findings, "config.scheme-disagrees"));
  const FakeCheckpoint fake(config("FP8"), fp8_stack("a.experts.gate_up_proj"));
  EXPECT_EQ(dialect().recognize(fake.facts()).match, Match::kYes);
}

TEST(ModeloptDialect, NamesTheStackThatIsNotWhole) {
  auto lonely = fp8_stack("a.experts.gate_up_proj");
  lonely.erase(lonely.begin());
  const auto resolution = resolve(config("FP8"), lonely);
  ASSERT_FALSE(resolution);
  EXPECT_EQ(resolution.error().message(),
            "a.experts.gate_up_proj_weight_scale is F32 [], and there is no a.experts.gate_up_proj "
            "beside it");
  auto odd = fp8_stack("a.experts.gate_up_proj");
  odd[1] = {"a.experts.gate_up_proj_weight_scale", DType::kF32, {4, 3}};
  EXPECT_FALSE(resolve(config("FP8"), odd));
}

}  // namespace
}  // namespace requant
