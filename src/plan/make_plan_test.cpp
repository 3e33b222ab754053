#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "plan/plan.h"
#include "plan/shards.h"
#include "plan/testing.h"
#include "support/support.h"

namespace requant {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing_support::corpus_folder;
using testing_support::TemporaryFolder;

constexpr auto kInternVl = "lmdeploy__sq-fp8-v072__tiny-internvl25";

Result<Plan> plan_of(const Checkpoint& checkpoint, std::string_view to,
                     std::uint64_t max_shard_bytes = 5'000'000'000) {
  PlanRequest request{.target = {}, .max_shard_bytes = max_shard_bytes, .tokenizer_from = {}};
  RQ_TRY(request.target, parse_target(to));
  return make_plan(checkpoint, request);
}

struct Tensors {
  std::deque<TensorInfo> infos;
  std::vector<OutputTensor> outputs;
};

Tensors tensors_of(std::initializer_list<std::string> names, std::int64_t bytes) {
  Tensors tensors;
  for (const std::string& name : names) {
    TensorInfo& info = tensors.infos.emplace_back();
    info.name = name;
    info.shape = {bytes};
    info.bytes = static_cast<std::uint64_t>(bytes);
    tensors.outputs.emplace_back().tensor = &info;
  }
  return tensors;
}

TEST(Plan, CarriesLmdeployWeightsByteForByte) {
  const fs::path folder = corpus_folder(kInternVl);
  ASSERT_FALSE(folder.empty());
  const auto checkpoint = Checkpoint::open(folder);
  ASSERT_TRUE(checkpoint) << checkpoint.error().message();
  const auto plan = plan_of(*checkpoint, "compressed-tensors");
  ASSERT_TRUE(plan) << plan.error().message();
  EXPECT_EQ(plan->weights.size(), 10U);
  EXPECT_TRUE(plan->losses.empty());
  EXPECT_EQ(plan->repairable_weights, 10U);
  for (const WeightStep& step : plan->weights) {
    EXPECT_EQ(plan->routes[step.route].carried.size(), 2U) << step.weight->module;
  }
  EXPECT_TRUE(std::ranges::none_of(plan->outputs, [](const OutputTensor& output) {
    return output.kind == StepKind::kTranscode;
  }));
}

TEST(Plan, PutsTheQuantizationConfigAtTheTopAndKeepsTheRest) {
  const fs::path folder = corpus_folder(kInternVl);
  ASSERT_FALSE(folder.empty());
  const auto checkpoint = Checkpoint::open(folder);
  ASSERT_TRUE(checkpoint);
  auto plan = plan_of(*checkpoint, "compressed-tensors");
  ASSERT_TRUE(plan) << plan.error().message();
  ASSERT_NE(plan->config.find("quantization_config"), nullptr);
  EXPECT_EQ(plan->config.at({"llm_config", "quantization_config"}), nullptr);
  Json expected = checkpoint->config();
  expected.find("llm_config")->erase("quantization_config");
  plan->config.erase("quantization_config");
  EXPECT_EQ(plan->config.dump(2), expected.dump(2));
}

TEST(Plan, RefusesToRequantise) {
  const fs::path folder = corpus_folder(kInternVl);
  ASSERT_FALSE(folder.empty());
  const auto checkpoint = Checkpoint::open(folder);
  ASSERT_TRUE(checkpoint);
  const auto plan = plan_of(*checkpoint, "lmdeploy:int8");
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code(), ErrorCode::kRefused);
  EXPECT_THAT(plan.error().message(), HasSubstr("language_model"));
}

TEST(Shards, KeepOneKeyTogetherAndCountFromOne) {
  Tensors tensors = tensors_of({"a.weight", "b.weight", "c.weight"}, 40);
  std::vector<OutputTensor>& outputs = tensors.outputs;
  const auto shards = make_shards({{"ab", 0}, {"ab", 1}, {"c", 2}}, outputs, 60);
  ASSERT_EQ(shards.size(), 2U);
  EXPECT_EQ(shards[0].file, "model-00001-of-00002.safetensors");
  EXPECT_EQ(shards[0].bytes, 80U);  // a key is never divided
  EXPECT_EQ(outputs[1].shard, 0U);
  EXPECT_EQ(outputs[2].shard, 1U);
}

TEST(Shards, AreOnePlainFileWhereEverythingFits) {
  Tensors tensors = tensors_of({"b", "a"}, 5);
  const auto shards = make_shards({{"b", 0}, {"a", 1}}, tensors.outputs, 10);
  ASSERT_EQ(shards.size(), 1U);
  EXPECT_EQ(shards[0].file, "model.safetensors");
  EXPECT_EQ(shards[0].outputs, (std::vector<std::uint32_t>{1, 0}));
}

TEST(Shards, KeepTheThreeMatricesOfAnExpert) {
  Module place;
  place.expert = 3;
  EXPECT_EQ(shard_key("model.layers.0.mlp.experts.3.up_proj", place),
            shard_key("model.layers.0.mlp.experts.3.down_proj", place));
}

}  // namespace
}  // namespace requant
