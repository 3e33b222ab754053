#include <gtest/gtest.h>

#include "dialect/testing.h"

namespace requant {
namespace {

using testing_support::FakeCheckpoint;
using testing_support::has_rule;

constexpr std::string_view kConfig = R"({"architectures":["LlamaForCausalLM"],"model_type":"llama",
  "quantization_config":{"quant_method":"smooth_quant","quant_dtype":"float8_e4m3fn"}})";

const Dialect& dialect() { return *find_dialect("lmdeploy"); }

FakeCheckpoint fake(std::string_view config, DType dtype, Shape scale,
                    std::string container = "safetensors") {
  return FakeCheckpoint(config,
                        {{"model.layers.0.mlp.up_proj.weight", dtype, {8, 4}},
                         {"model.layers.0.mlp.up_proj.scale", DType::kF32, std::move(scale)},
                         {"model.norm.weight", DType::kBF16, {4}}},
                        std::move(container));
}

TEST(Lmdeploy, IsToldByItsScaleWithoutAnyConfig) {
  const FakeCheckpoint checkpoint = fake("{}", DType::kI8, {8, 1});
  EXPECT_EQ(dialect().recognize(checkpoint.facts()).match, Match::kYes);
}

TEST(Lmdeploy, AConfigAloneIsOnlyAHint) {
  const FakeCheckpoint checkpoint(kConfig, {{"model.norm.weight", DType::kBF16, {4}}});
  EXPECT_EQ(dialect().recognize(checkpoint.facts()).match, Match::kMaybe);
}

TEST(Lmdeploy, ResolvesSchemeAndSizeFromTheTensors) {
  const FakeCheckpoint checkpoint = fake(kConfig, DType::kF8E4M3, {8, 1});
  const auto resolution = dialect().resolve(checkpoint.facts());
  ASSERT_TRUE(resolution) << resolution.error().message();
  ASSERT_EQ(resolution->weights.size(), 1U);
  const Weight& weight = resolution->weights.front();
  EXPECT_EQ(weight.module, "model.layers.0.mlp.up_proj");
  EXPECT_EQ(weight.scheme.element, Element::kE4M3Fn);
  EXPECT_EQ(weight.scheme.activations, Activations::dynamic_token(Element::kE4M3Fn));
  EXPECT_EQ(weight.rows, 8);
  EXPECT_EQ(weight.cols, 4);
  EXPECT_TRUE(resolution->findings.empty());
}

TEST(Lmdeploy, SaysWhenTheConfigNamesAnotherDtype) {
  const FakeCheckpoint checkpoint = fake(kConfig, DType::kI8, {8, 1});
  const auto resolution = dialect().resolve(checkpoint.facts());
  ASSERT_TRUE(resolution);
  EXPECT_TRUE(has_rule(resolution->findings, "lmdeploy.quant-dtype"));
}

TEST(Lmdeploy, RefusesAScaleOfAnotherLength) {
  const FakeCheckpoint checkpoint = fake(kConfig, DType::kI8, {4, 1});
  const auto resolution = dialect().resolve(checkpoint.facts());
  ASSERT_FALSE(resolution);
  EXPECT_EQ(resolution.error().code(), ErrorCode::kCorrupt);
  EXPECT_NE(resolution.error().message().find("up_proj.scale"), std::string::npos);
}

TEST(Lmdeploy, RefusesCodesWithoutAScale) {
  const FakeCheckpoint checkpoint(kConfig, {{"a.weight", DType::kF8E4M3, {8, 4}}});
  const auto resolution = dialect().resolve(checkpoint.facts());
  ASSERT_FALSE(resolution);
  EXPECT_NE(resolution.error().message().find("a.scale"), std::string::npos);
}

TEST(Lmdeploy, TellsItsReleases) {
  constexpr std::string_view kNested = R"({"architectures":["InternVLChatModel"],
    "llm_config":{"architectures":["InternLM2ForCausalLM"],
                  "quantization_config":{"quant_method":"smooth_quant","quant_dtype":"int8"}}})";
  constexpr std::string_view kNone = R"({"architectures":["InternVLChatModel"],
    "llm_config":{"architectures":["InternLM2ForCausalLM"]}})";
  constexpr std::string_view kOld = R"({"quantization_config":{"quant_method":"smooth_quant"}})";
  constexpr std::string_view kNew =
      R"({"dtype":"bfloat16","quantization_config":{"quant_method":"smooth_quant","quant_dtype":"int8"}})";
  const auto version = [](std::string_view config, std::string container) {
    const FakeCheckpoint checkpoint = fake(config, DType::kI8, {8, 1}, std::move(container));
    return dialect().writer(checkpoint.facts()).version;
  };
  EXPECT_EQ(version(kNested, "pytorch"), "0.7.1 to 0.8");
  EXPECT_EQ(version(kNone, "pytorch"), "0.6.5 to 0.7.0");
  EXPECT_EQ(version(kOld, "pytorch"), "0.6");
  EXPECT_EQ(version(kConfig, "pytorch"), "0.7.0 to 0.8");
  EXPECT_EQ(version(kConfig, "safetensors"), "0.9 to 0.10");
  EXPECT_EQ(version(kNew, "safetensors"), "0.18");
}

TEST(Lmdeploy, WritesItsBlock) {
  Scheme scheme;
  scheme.element = Element::kE5M2;
  const TargetWeight weight{"a", {}, scheme};
  const Json config = Json::object();
  const auto block =
      dialect().quantization_config({config, Architecture::of(config), std::span(&weight, 1), {}});
  ASSERT_TRUE(block);
  EXPECT_EQ(block->dump(), R"({"quant_method": "smooth_quant", "quant_dtype": "float8_e5m2"})");
}

}  // namespace
}  // namespace requant
