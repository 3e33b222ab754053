#include <gtest/gtest.h>

#include "dialect/testing.h"

namespace requant {
namespace {

using testing_support::FakeCheckpoint;
using testing_support::has_rule;

const Dialect& dialect() { return *find_dialect("awq"); }

std::string config(std::string_view block) {
  return R"({"architectures":["LlamaForCausalLM"],"model_type":"llama","quantization_config":)" +
         std::string(block) + "}";
}

// 16 outputs, 64 inputs, groups of 32.
std::vector<FakeCheckpoint::Entry> tensors() {
  return {{"model.layers.0.mlp.up_proj.qweight", DType::kI32, {64, 2}},
          {"model.layers.0.mlp.up_proj.qzeros", DType::kI32, {2, 2}},
          {"model.layers.0.mlp.up_proj.scales", DType::kF16, {2, 16}}};
}

constexpr std::string_view kBlock =
    R"({"quant_method":"awq","version":"gemm","bits":4,"group_size":32,"zero_point":true})";

TEST(AwqDialect, IsToldByTheShapesOfItsTensors) {
  const FakeCheckpoint awq("{}", tensors());
  EXPECT_EQ(dialect().recognize(awq.facts()).match, Match::kYes);
  const FakeCheckpoint gptq(config(kBlock), {{"a.qweight", DType::kI32, {8, 16}},
                                             {"a.qzeros", DType::kI32, {2, 2}},
                                             {"a.scales", DType::kF16, {2, 16}}});
  EXPECT_EQ(dialect().recognize(gptq.facts()).match, Match::kNo);
}

TEST(AwqDialect, ResolvesGroupsFromTheTensors) {
  const FakeCheckpoint fake(config(kBlock), tensors());
  const auto resolution = dialect().resolve(fake.facts());
  ASSERT_TRUE(resolution) << resolution.error().message();
  ASSERT_EQ(resolution->weights.size(), 1U);
  EXPECT_EQ(resolution->weights[0].scheme.grid, Grid::group(32));
  EXPECT_EQ(resolution->weights[0].rows, 16);
  EXPECT_EQ(resolution->weights[0].cols, 64);
  EXPECT_TRUE(resolution->findings.empty());
}

// 16 outputs of 128 inputs in groups of 64, in each layout.
TEST(AwqDialect, TellsTheVersionsByTheirShapes) {
  const std::string up = "model.layers.0.mlp.up_proj";
  const auto expect = [&](std::string_view version, std::string_view codec, Shape qweight,
                          DType type, const Shape& scales, std::int64_t group) {
    std::vector<FakeCheckpoint::Entry> entries = {{up + ".qweight", type, std::move(qweight)},
                                                  {up + ".scales", DType::kF16, scales}};
    if (version == "gemv") entries.push_back({up + ".qzeros", DType::kI32, {16, 2}});
    if (version == "GEMV_fast") entries.push_back({up + ".qzeros", DType::kF16, scales});
    const FakeCheckpoint fake(
        config(R"({"quant_method":"awq","bits":4,"version":")" + std::string(version) +
               R"(","group_size":)" + std::to_string(group) + "}"),
        entries);
    EXPECT_EQ(dialect().recognize(fake.facts()).match, Match::kYes) << version;
    const auto resolution = dialect().resolve(fake.facts());
    ASSERT_TRUE(resolution) << resolution.error().message();
    EXPECT_EQ(resolution->weights[0].codec->name, codec);
    EXPECT_EQ(resolution->weights[0].cols, 128) << version;
    EXPECT_TRUE(resolution->findings.empty()) << resolution->findings[0].message;
  };
  expect("gemv", "awq-gemv", {16, 16}, DType::kI32, {16, 16}, 64);
  expect("GEMV_fast", "awq-gemv-fast", {4, 128}, DType::kI16, {16, 16}, 64);
  expect("marlin", "awq-marlin", {8, 128}, DType::kI32, {1, 64}, -1);
}

TEST(AwqDialect, SaysWhichVersionTheTensorsAre) {
  const FakeCheckpoint fake(
      config(R"({"quant_method":"awq","bits":4,"version":"gemv","group_size":32})"), tensors());
  const auto resolution = dialect().resolve(fake.facts());
  ASSERT_TRUE(resolution) << resolution.error().message();
  EXPECT_EQ(resolution->weights[0].codec->name, "awq-gemm");
  EXPECT_TRUE(has_rule(resolution->findings, "awq.version"));
}

TEST(AwqDialect, RefusesAVersionThatItDoesNotKnow) {
  const FakeCheckpoint fake(config(R"({"quant_method":"awq","bits":4,"version":"gem"})"),
                            tensors());
  const auto resolution = dialect().resolve(fake.facts());
  ASSERT_FALSE(resolution);
  EXPECT_NE(resolution.error().message().find("'version'"), std::string::npos);
}

TEST(AwqDialect, TrustsTensorsMoreThanFlags) {
  const FakeCheckpoint fake(
      config(
          R"({"quant_method":"awq","version":"GEMM","bits":4,"group_size":64,"zero_point":false})"),
      tensors());
  const auto resolution = dialect().resolve(fake.facts());
  ASSERT_TRUE(resolution) << resolution.error().message();
  EXPECT_EQ(resolution->weights[0].scheme.offset, Offset::kZero);
  EXPECT_TRUE(has_rule(resolution->findings, "awq.zero-point-flag"));
  EXPECT_TRUE(has_rule(resolution->findings, "awq.group-size"));
}

TEST(AwqDialect, NamesAPartThatIsMissing) {
  auto some = tensors();
  some.pop_back();
  const FakeCheckpoint fake(config(kBlock), some);
  const auto resolution = dialect().resolve(fake.facts());
  ASSERT_FALSE(resolution);
  EXPECT_NE(resolution.error().message().find("up_proj.scales"), std::string::npos);
}

TEST(AwqDialect, GateIsNoNameOfGateProj) {
  const FakeCheckpoint fake(
      config(R"({"quant_method":"awq","version":"gemm","bits":4,"group_size":32,"zero_point":true,
                 "modules_to_not_convert":["up"]})"),
      tensors());
  EXPECT_TRUE(dialect().resolve(fake.facts())->findings.empty());
  const FakeCheckpoint wrong(
      config(R"({"quant_method":"awq","version":"gemm","bits":4,"group_size":32,"zero_point":true,
                 "modules_to_not_convert":["up_proj"]})"),
      tensors());
  EXPECT_TRUE(
      has_rule(dialect().resolve(wrong.facts())->findings, "config.excluded-but-quantised"));
}

TEST(AwqDialect, SaysWhichLinearsTheConfigForgets) {
  auto entries = tensors();
  entries.push_back({"model.layers.0.self_attn.o_proj.weight", DType::kF16, {16, 16}});
  entries.push_back({"lm_head.weight", DType::kF16, {16, 16}});
  const FakeCheckpoint fake(config(kBlock), entries);
  EXPECT_TRUE(has_rule(dialect().resolve(fake.facts())->findings, "config.targeted-but-dense"));
}

Scheme int4() {
  Scheme scheme;
  scheme.bits = 4;
  scheme.grid = Grid::group(128);
  scheme.offset = Offset::kZero;
  return scheme;
}

TargetWeight target(std::string module, Role role, Tower tower) {
  TargetWeight target;
  target.module = std::move(module);
  target.place.role = role;
  target.place.tower = tower;
  target.scheme = int4();
  return target;
}

TEST(AwqDialect, ExcludesTowersByTheirFirstName) {
  const Json json = Json::object();
  const std::vector quantized = {
      target("language_model.model.layers.0.attention.wqkv", Role::kLinear, Tower::kLanguage)};
  const std::vector unquantized = {
      target("vision_model.encoder.layers.0.attn.qkv", Role::kLinear, Tower::kVision),
      target("vision_model.encoder.layers.1.attn.qkv", Role::kLinear, Tower::kVision),
      target("mlp1.1", Role::kLinear, Tower::kProjector),
      target("language_model.output", Role::kLmHead, Tower::kLanguage)};
  const auto block =
      dialect().quantization_config({json, Architecture::of(json), quantized, unquantized});
  ASSERT_TRUE(block);
  EXPECT_EQ(block->find("modules_to_not_convert")->dump(), R"(["vision_model", "mlp1"])");
  EXPECT_EQ(block->find("group_size")->dump(), "128");
}

TEST(AwqDialect, RefusesAnExclusionThatWouldHitAQuantisedModule) {
  const Json json = Json::object();
  const std::vector quantized = {
      target("model.layers.0.mlp.gate_proj", Role::kLinear, Tower::kLanguage)};
  const std::vector unquantized = {
      target("model.layers.0.mlp.gate", Role::kRouter, Tower::kLanguage)};
  EXPECT_FALSE(
      dialect().quantization_config({json, Architecture::of(json), quantized, unquantized}));
}

}  // namespace
}  // namespace requant
