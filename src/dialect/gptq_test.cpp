#include <gtest/gtest.h>

#include "dialect/gptq_config.h"
#include "dialect/testing.h"

namespace requant {
namespace {

using testing_support::FakeCheckpoint;
using testing_support::has_rule;

const Dialect& dialect() { return *find_dialect("gptq"); }

std::string config(std::string_view block) {
  return R"({"architectures":["LlamaForCausalLM"],"model_type":"llama","quantization_config":)" +
         std::string(block) + "}";
}

// 32 outputs, 64 inputs, groups of 32.
std::vector<FakeCheckpoint::Entry> module(const std::string& name, int bits = 4) {
  return {{name + ".qweight", DType::kI32, {2 * bits, 32}},
          {name + ".qzeros", DType::kI32, {2, bits}},
          {name + ".scales", DType::kF16, {2, 32}},
          {name + ".g_idx", DType::kI32, {64}}};
}

std::vector<FakeCheckpoint::Entry> tensors() { return module("model.layers.0.mlp.up_proj"); }

constexpr std::string_view kBlock =
    R"({"quant_method":"gptq","bits":4,"group_size":32,"desc_act":false,"sym":true,
        "checkpoint_format":"gptq"})";

Resolution resolved(std::string_view block, const std::vector<FakeCheckpoint::Entry>& entries) {
  const FakeCheckpoint fake(config(block), entries);
  auto resolution = dialect().resolve(fake.facts());
  EXPECT_TRUE(resolution) << resolution.error().message();
  return resolution ? *std::move(resolution) : Resolution();
}

TEST(GptqDialect, IsToldByTheShapesOfItsTensors) {
  const FakeCheckpoint bare("{}", tensors());
  EXPECT_EQ(dialect().recognize(bare.facts()).match, Match::kYes);
  const FakeCheckpoint awq(config(kBlock), {{"a.qweight", DType::kI32, {64, 4}},
                                            {"a.qzeros", DType::kI32, {2, 4}},
                                            {"a.scales", DType::kF16, {2, 32}}});
  EXPECT_EQ(dialect().recognize(awq.facts()).match, Match::kMaybe);
  EXPECT_EQ(find_dialect("awq")->recognize(awq.facts()).match, Match::kYes);
  const FakeCheckpoint round(config(R"({"quant_method":"auto-round"})"), tensors());
  EXPECT_EQ(dialect().recognize(round.facts()).match, Match::kNo);
}

TEST(GptqDialect, ResolvesBitsAndGroupsFromTheTensors) {
  const Resolution resolution = resolved(kBlock, tensors());
  ASSERT_EQ(resolution.weights.size(), 1U);
  EXPECT_EQ(describe(resolution.weights[0].scheme), "int4 per group 32, scale F16");
  EXPECT_EQ(resolution.weights[0].rows, 32);
  EXPECT_EQ(resolution.weights[0].cols, 64);
  EXPECT_EQ(resolution.weights[0].codec->name, "gptq");
  EXPECT_TRUE(resolution.findings.empty());
}

TEST(GptqDialect, ChoosesTheCodecByFormatAndWriter) {
  const auto codec = [](std::string_view format, std::string_view more) {
    const std::string block = R"({"quant_method":"gptq","bits":4,"group_size":32,"sym":false)" +
                              std::string(more) + R"(,"checkpoint_format":")" +
                              std::string(format) + "\"}";
    return resolved(block, tensors()).weights.at(0).codec->name;
  };
  EXPECT_EQ(codec("gptq", ""), "gptq");
  EXPECT_EQ(codec("gptq", R"(,"meta":{"quantizer":["gptqmodel:7.7.0"]})"), "gptq-words");
  EXPECT_EQ(codec("gptq", R"(,"meta":{"quantizer":"gptqmodel:0.9"})"), "gptq-words");
  EXPECT_EQ(codec("gptq", R"(,"autoround_version":"0.5")"), "gptq-words");
  EXPECT_EQ(codec("gptq_v2", ""), "gptq-v2");
  EXPECT_EQ(codec("gptq_p", ""), "gptq-p");
}

TEST(GptqDialect, NamesItsWriter) {
  const FakeCheckpoint model(
      config(R"({"quant_method":"gptq","meta":{"quantizer":["x:1","gptqmodel:7.7.0"]}})"),
      tensors());
  EXPECT_EQ(dialect().writer(model.facts()).tool, "GPTQModel");
  EXPECT_EQ(dialect().writer(model.facts()).version, "7.7.0");
  const FakeCheckpoint other(config(R"({"quant_method":"gptq","meta":{"quantizer":[]}})"),
                             tensors());
  EXPECT_EQ(dialect().writer(other.facts()).tool, "");
}

TEST(GptqDialect, SaysThatTheConfigStatesNoBitsOrGroup) {
  const auto found = [](std::string_view block) {
    return resolved(block, module("model.layers.0.mlp.up_proj")).findings;
  };
  EXPECT_TRUE(has_rule(found(R"({"quant_method":"gptq","group_size":32})"), "gptq.bits"));
  EXPECT_TRUE(has_rule(found(R"({"quant_method":"gptq","bits":4})"), "gptq.group-size"));
  EXPECT_FALSE(has_rule(found(R"({"quant_method":"gptq","bits":4,"group_size":32})"), "gptq.bits"));
}

TEST(GptqDialect, ReadsFiveToSevenBitsAsPlanes) {
  const Resolution resolution =
      resolved(R"({"quant_method":"gptq","bits":5,"group_size":32,"sym":true})",
               module("model.layers.0.mlp.up_proj", 5));
  ASSERT_EQ(resolution.weights.size(), 1U);
  EXPECT_EQ(resolution.weights[0].codec->name, "gptq-p");
}

TEST(GptqDialect, SaysThatTheConfigLeavesTheVersionOpen) {
  EXPECT_TRUE(has_rule(
      resolved(R"({"quant_method":"gptq","bits":4,"group_size":32,"sym":false,"desc_act":false})",
               tensors())
          .findings,
      "gptq.zero-version-unknown"));
  // AutoGPTQ writes v1 and does not say so.
  EXPECT_FALSE(has_rule(resolved(R"({"quant_method":"gptq","bits":4,"group_size":32,"sym":false,
                                     "is_marlin_format":false})",
                                 tensors())
                            .findings,
                        "gptq.zero-version-unknown"));
}

TEST(GptqDialect, PermutesOnlyWithDescActAndWithoutStaticGroups) {
  const auto permuted = [](std::string_view flags) {
    const std::string block =
        R"({"quant_method":"gptq","bits":4,"group_size":32,"sym":true)" + std::string(flags) + "}";
    return resolved(block, tensors()).weights.at(0).scheme.permuted;
  };
  EXPECT_TRUE(permuted(R"(,"desc_act":true)"));
  EXPECT_FALSE(permuted(R"(,"desc_act":false)"));
  EXPECT_FALSE(permuted(R"(,"desc_act":true,"static_groups":true)"));
  EXPECT_TRUE(permuted(""));  // g_idx is there, and holds every case
}

TEST(GptqDialect, FollowsDynamicRules) {
  constexpr std::string_view kRules =
      R"({"quant_method":"gptq","bits":4,"group_size":32,"desc_act":false,"sym":true,
          "checkpoint_format":"gptq","dynamic":{"-:.*o_proj.*":{},
          "+:.*\\.down_proj.*":{"bits":8},".*\\.gate_proj":{"bits":2,"sym":false}}})";
  auto entries = module("model.layers.0.mlp.up_proj");
  for (const auto& entry : module("model.layers.0.mlp.down_proj", 8)) entries.push_back(entry);
  for (const auto& entry : module("model.layers.0.mlp.gate_proj", 2)) entries.push_back(entry);
  entries.push_back({"model.layers.0.self_attn.o_proj.weight", DType::kF16, {32, 32}});
  const Resolution resolution = resolved(kRules, entries);
  EXPECT_TRUE(resolution.findings.empty()) << resolution.findings[0].message;
  for (const Weight& weight : resolution.weights) {
    EXPECT_EQ(weight.scheme.offset == Offset::kZero, weight.scheme.bits == 2) << weight.module;
  }
  entries.push_back({"model.layers.0.self_attn.q_proj.weight", DType::kF16, {32, 32}});
  for (const auto& entry : module("model.layers.1.self_attn.o_proj")) entries.push_back(entry);
  const Resolution wrong = resolved(kRules, entries);
  EXPECT_TRUE(has_rule(wrong.findings, "config.targeted-but-dense"));
  EXPECT_TRUE(has_rule(wrong.findings, "config.excluded-but-quantised"));
}

TEST(GptqDialect, SaysWhereConfigAndTensorsDiffer) {
  auto entries = tensors();
  for (const auto& entry : module("lm_head")) entries.push_back(entry);
  const Resolution resolution = resolved(
      R"({"quant_method":"gptq","bits":8,"group_size":64,"sym":true,"checkpoint_format":"gptq"})",
      entries);
  EXPECT_TRUE(has_rule(resolution.findings, "gptq.bits"));
  EXPECT_TRUE(has_rule(resolution.findings, "gptq.group-size"));
  EXPECT_TRUE(has_rule(resolution.findings, "gptq.lm-head"));
}

TEST(GptqDialect, RefusesFormatsByName) {
  for (const char* block :
       {R"({"quant_method":"gptq","bits":4,"checkpoint_format":"bitblas"})",
        R"({"quant_method":"gptq","bits":"4"})", R"({"quant_method":"gptq","group_size":0})",
        R"({"quant_method":"gptq","dynamic":[1]})", R"({"quant_method":"gptq","dynamic":{"(":{}}})",
        R"({"quant_method":"gptq","sym":1})"}) {
    const FakeCheckpoint fake(config(block), tensors());
    EXPECT_FALSE(dialect().resolve(fake.facts())) << block;
  }
}

TEST(GptqDialect, NamesAPartThatIsMissing) {
  auto some = tensors();
  some.erase(some.begin() + 2);
  const FakeCheckpoint fake(config(kBlock), some);
  const auto resolution = dialect().resolve(fake.facts());
  ASSERT_FALSE(resolution);
  EXPECT_NE(resolution.error().message().find("up_proj.scales"), std::string::npos);
}

TEST(GptqDialect, ReadsMarlin) {
  const Resolution resolution = resolved(
      R"({"quant_method":"gptq","bits":4,"group_size":128,"sym":true,"is_marlin_format":true})",
      {{"model.layers.0.mlp.up_proj.B", DType::kI32, {16, 128}},
       {"model.layers.0.mlp.up_proj.s", DType::kF16, {2, 64}}});
  ASSERT_EQ(resolution.weights.size(), 1U);
  EXPECT_EQ(resolution.weights[0].codec->name, "gptq-marlin");
  EXPECT_EQ(resolution.weights[0].rows, 64);
  EXPECT_EQ(resolution.weights[0].cols, 256);
}

TargetWeight target(std::string module, Role role, Scheme scheme) {
  TargetWeight target;
  target.module = std::move(module);
  target.place.role = role;
  target.scheme = std::move(scheme);
  return target;
}

Scheme int_scheme(int bits, Offset offset) {
  return {.bits = bits, .grid = Grid::group(32), .scale_dtype = DType::kF16, .offset = offset};
}

Result<Json> written(const std::vector<TargetWeight>& quantized,
                     const std::vector<TargetWeight>& unquantized) {
  const Json json = Json::object();
  return dialect().quantization_config({json, Architecture::of(json), quantized, unquantized});
}

TEST(GptqDialect, WritesV1ForSymmetricWeightsAndV2ForZeroPoints) {
  const auto sym = written(
      {target("model.layers.0.mlp.up_proj", Role::kLinear, int_scheme(4, Offset::kNone))}, {});
  ASSERT_TRUE(sym);
  EXPECT_EQ(*sym->find("checkpoint_format")->as_string(), "gptq");
  EXPECT_EQ(sym->find("sym")->dump(), "true");
  EXPECT_EQ(sym->find("dynamic"), nullptr);
  const auto asym = written(
      {target("model.layers.0.mlp.up_proj", Role::kLinear, int_scheme(4, Offset::kZero))}, {});
  ASSERT_TRUE(asym);
  EXPECT_EQ(*asym->find("checkpoint_format")->as_string(), "gptq_v2");
  EXPECT_EQ(dialect().codec_for(int_scheme(5, Offset::kZero))->name, "gptq-p");
  EXPECT_FALSE(
      written({target("model.layers.0.mlp.up_proj", Role::kLinear, int_scheme(4, Offset::kZero)),
               target("model.layers.0.mlp.down_proj", Role::kLinear, int_scheme(4, Offset::kNone))},
              {}));
}

// Rules that it writes must mean the same when it reads them.
TEST(GptqDialect, WritesRulesForWhatDiffers) {
  std::vector<TargetWeight> quantized;
  std::vector<TargetWeight> unquantized;
  for (const char* layer : {"model.layers.0.", "model.layers.1.", "model.layers.12."}) {
    const std::string name = layer;
    quantized.push_back(target(name + "mlp.up_proj", Role::kLinear, int_scheme(4, Offset::kNone)));
    quantized.push_back(
        target(name + "mlp.down_proj", Role::kLinear, int_scheme(8, Offset::kNone)));
    const bool dense = name == "model.layers.12.";
    (dense ? unquantized : quantized)
        .push_back(target(name + "self_attn.o_proj", Role::kLinear, int_scheme(4, Offset::kNone)));
  }
  unquantized.push_back(target("model.layers.0.mlp.gate", Role::kRouter, Scheme()));
  unquantized.push_back(target("lm_head", Role::kLmHead, Scheme()));
  const auto block = written(quantized, unquantized);
  ASSERT_TRUE(block) << block.error().message();
  EXPECT_EQ(block->find("dynamic")->dump(),
            R"({"-:^model\\.layers\\.12\\.self_attn\\.o_proj$": {}, )"
            R"("-:^model\\.layers\\.\\d+\\.mlp\\.gate$": {}, )"
            R"("+:^model\\.layers\\.\\d+\\.mlp\\.down_proj$": {"bits": 8}})");
  const FakeCheckpoint fake(config(block->dump()), {});
  std::vector<Finding> findings;
  const auto config = read_gptq_config(fake.facts(), findings);
  ASSERT_TRUE(config) << config.error().message();
  for (const TargetWeight& weight : quantized) {
    const auto settings = config->of(weight.module);
    ASSERT_TRUE(settings && *settings) << weight.module;
    EXPECT_EQ((*settings)->bits, weight.scheme.bits) << weight.module;
  }
  EXPECT_FALSE(*config->of("model.layers.12.self_attn.o_proj"));
  EXPECT_FALSE(*config->of("model.layers.0.mlp.gate"));
}

}  // namespace
}  // namespace requant
