#include "engine/matrix.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <deque>
#include <iostream>

#include "engine/memory.h"
#include "engine/reduced.h"
#include "support/support.h"

namespace requant {
namespace {

using ::testing::Contains;
using ::testing::Field;
using ::testing::HasSubstr;

Result<Checkpoint> folder(std::string_view name) {
  return Checkpoint::open(testing_support::data_dir() / "corpus" / name);
}

constexpr std::string_view kFounding = "lmdeploy__sq-fp8-v072__tiny-internvl25";

TEST(Matrix, SaysWhereTheFoundingCaseRuns) {
  const auto checkpoint = folder(kFounding);
  ASSERT_TRUE(checkpoint);
  const auto rows = judge_everywhere(subject_of(*checkpoint), {});
  ASSERT_TRUE(rows);
  EXPECT_GE(rows->size(), 9U);
  for (const EngineRow& each : *rows) {
    const auto sum = summed_up(each, nullptr);
    ASSERT_TRUE(sum);
    const EngineRow& row = *sum;
    if (row.engine == "vllm") {
      ASSERT_EQ(row.spans.size(), 1U);
      EXPECT_EQ(row.spans[0].verdict, Verdict::kNo);
      EXPECT_EQ(to_text(row.spans[0]), "0.6.6 to 0.33.0");
      EXPECT_FALSE(row.spans[0].reason.empty());
    }
    if (row.engine == "lmdeploy-pytorch") {
      EXPECT_NE(row.spans.back().verdict, Verdict::kNo) << row.spans.back().reason;
    }
  }
}

TEST(Matrix, AgreesWithCheckOfOneVersion) {
  for (const std::string_view name :
       {"llmcompressor__FP8_DYNAMIC__tiny_llama", "lmdeploy__awq-v072__tiny-internvl25"}) {
    const auto checkpoint = folder(name);
    if (!checkpoint) continue;
    const Subject subject = subject_of(*checkpoint);
    const auto row = judge_versions(subject, "vllm", {.capability = 90});
    ASSERT_TRUE(row);
    const auto sum = summed_up(*row, nullptr);
    ASSERT_TRUE(sum);
    for (const VersionSpan& span : sum->spans) {
      for (const std::string& version : {span.since, span.until}) {
        const auto report =
            check(subject, {.engine = "vllm", .version = version}, {.capability = 90});
        ASSERT_TRUE(report);
        EXPECT_EQ(report->verdict, span.verdict) << name << " on " << version;
      }
    }
  }
}

TEST(Matrix, HearsTheSecondOpinionOfEachVersion) {
  const EngineRow row{.engine = "vllm",
                      .spans = {{"0.10.0", "0.10.0", Verdict::kYes, ""},
                                {"0.10.2", "0.10.2", Verdict::kYes, ""},
                                {"0.33.0", "0.33.0", Verdict::kYes, ""}}};
  const auto sum = summed_up(row, [](const EngineData& engine, Verdict& verdict) -> std::string {
    if (engine.id.version == "0.33.0") return "";
    verdict = Verdict::kNo;
    return "not on " + engine.id.version;
  });
  ASSERT_TRUE(sum);
  ASSERT_EQ(sum->spans.size(), 2U);
  EXPECT_EQ(to_text(sum->spans[0]), "0.10.0 to 0.10.2");
  EXPECT_EQ(sum->spans[0].verdict, Verdict::kNo);
  EXPECT_EQ(sum->spans[0].reason, "not on 0.10.2");
  EXPECT_EQ(sum->spans[1].verdict, Verdict::kYes);
}

TEST(Between, IsUnknownWhereTheNeighboursDiffer) {
  const auto experts = folder("byhand__mxfp4__tiny_gptoss");
  ASSERT_TRUE(experts);
  const auto report = check(subject_of(*experts), *parse_engine("vllm@0.10.1"), {});
  ASSERT_TRUE(report);
  EXPECT_EQ(report->verdict, Verdict::kUnknown);
  EXPECT_THAT(report->summary, HasSubstr("between 0.10.0 and 0.10.2"));
  const auto checkpoint = folder("lmdeploy__awq-v072__tiny-internvl25");
  ASSERT_TRUE(checkpoint);
  const Subject subject = subject_of(*checkpoint);
  const auto same = check(subject, *parse_engine("vllm@0.8.3"), {});
  ASSERT_TRUE(same);
  EXPECT_EQ(same->verdict, Verdict::kNo);
  EXPECT_THAT(same->findings, Contains(Field(&Finding::rule, "engine.between-versions")));
}

TEST(Between, ANewerVersionIsJudgedByTheNewestKnown) {
  const auto checkpoint = folder("lmdeploy__awq-v072__tiny-internvl25");
  ASSERT_TRUE(checkpoint);
  const auto report = check(subject_of(*checkpoint), *parse_engine("vllm@9.9"), {});
  ASSERT_TRUE(report);
  EXPECT_EQ(report->engine.version, "9.9");
  EXPECT_THAT(report->findings, Contains(Field(&Finding::rule, "engine.newer-than-known")));
}

TEST(Memory, CountsWhatOneRankHolds) {
  const auto checkpoint = folder(kFounding);
  ASSERT_TRUE(checkpoint);
  const Subject subject = subject_of(*checkpoint);
  const MemoryEstimate one = memory_of(subject, 1, 1000);
  const MemoryEstimate two = memory_of(subject, 2, 1000);
  std::uint64_t bytes = 0;
  for (const Weight& weight : subject.weights) {
    for (const auto& [suffix, tensor] : weight.parts) bytes += tensor->bytes;
  }
  for (const DenseTensor& dense : subject.dense) bytes += dense.tensor->bytes;
  EXPECT_EQ(one.weight_bytes, bytes);
  EXPECT_LT(two.weight_bytes, one.weight_bytes);
  EXPECT_GE(2 * two.weight_bytes, one.weight_bytes);
  ASSERT_TRUE(one.cache_known);
  const Json* config = subject.config.find("llm_config");
  ASSERT_NE(config, nullptr);
  const auto at = [&](const char* key) { return *config->find(key)->as_int(); };
  EXPECT_EQ(one.cache_bytes, static_cast<std::uint64_t>(
                                 1000 * at("num_hidden_layers") * 2 * at("num_key_value_heads") *
                                 at("hidden_size") / at("num_attention_heads") * 2));
}

// A checkpoint of names and shapes alone, as large as they come.
TEST(Reduced, KeepsOneOfAKindAndWhatTheConfigNames) {
  Json config = *parse_json(
      R"({"architectures":["LlamaForCausalLM"],"model_type":"llama","num_attention_heads":32,
          "quantization_config":{"quant_method":"compressed-tensors","ignore":["model.layers.7.mlp.up_proj"]}})");
  const auto architecture = Architecture::of(config);
  std::vector<Weight> weights;
  for (int layer = 0; layer < 100; ++layer) {
    for (const char* leaf : {"gate_proj", "up_proj", "down_proj"}) {
      Weight weight;
      weight.module = "model.layers." + std::to_string(layer) + ".mlp." + leaf;
      weight.place = {.role = Role::kLinear, .fused = weight.module};
      if (std::string_view(leaf) != "down_proj") {
        weight.place.fused = "model.layers." + std::to_string(layer) + ".mlp.gate_up_proj";
      }
      weight.rows = weight.cols = 64;
      weights.push_back(std::move(weight));
    }
  }
  const Subject subject{.path = "model",
                        .config = config,
                        .architecture = architecture,
                        .container = "safetensors",
                        .dialect = "compressed-tensors",
                        .weights = weights,
                        .dense = {}};
  const Reduced reduced = reduce(subject);
  // Layers of one digit, of two digits, and the one that the config names with its fused partner.
  EXPECT_EQ(reduced.weights.size(), 8U);
}

}  // namespace
}  // namespace requant
