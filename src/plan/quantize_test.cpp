// Quantising from one folder to another, and what comes back from dialects that it writes to.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plan/quantise_steps.h"
#include "plan/receipt.h"
#include "plan/run_plan.h"
#include "plan/testing.h"
#include "quant/testing.h"
#include "support/support.h"

namespace requant {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;
using testing_support::convert_folder;
using testing_support::corpus_folder;
using testing_support::corpus_named;
using testing_support::different_tensors;
using testing_support::mismatches;
using testing_support::TemporaryFolder;
using testing_support::write_file;

Result<void> quantise(const fs::path& from, const fs::path& out, std::string_view to,
                      const InputScales* scales = nullptr) {
  RQ_TRY(const Checkpoint checkpoint, Checkpoint::open(from));
  PlanRequest request;
  RQ_TRY(request.target, parse_target(to));
  RQ_TRY(const Recipe recipe, Recipe::make(to.substr(to.find(':') + 1), Recipe::usual_ignore()));
  request.recipe = &recipe;
  request.input_scales = scales;
  RQ_TRY(const Plan plan, make_plan(checkpoint, request));
  RQ_TRY(OutputFolder folder,
         OutputFolder::begin(
             out, {.input = from, .overwrite = false, .receipt = std::string(kReceiptName)}));
  RQ_CHECK(run_plan(checkpoint, plan, folder, {}));
  return folder.commit();
}

Result<void> quantise(const fs::path& out, std::string_view to,
                      const InputScales* scales = nullptr) {
  return quantise(corpus_folder("tiny-llama"), out, to, scales);
}

std::string scheme_in(const fs::path& folder, std::string_view module) {
  const auto checkpoint = Checkpoint::open(folder);
  if (!checkpoint) return checkpoint.error().message();
  for (const Weight& weight : checkpoint->weights()) {
    if (weight.module == module) return describe(weight.scheme);
  }
  return "";
}

float first_f32(const fs::path& folder, std::string_view name) {
  const auto checkpoint = Checkpoint::open(folder);
  const TensorInfo* info = checkpoint ? checkpoint->source().find(name) : nullptr;
  if (info == nullptr) return 0;
  return static_cast<float>(element_as_double(*checkpoint->source().read(*info), 0));
}

// A Llama of one layer whose head is the embedding, and stored nowhere.
void write_tied_llama(const fs::path& folder) {
  constexpr std::int64_t kHidden = 64;
  std::map<std::string, Tensor> tensors;
  const auto add = [&](const std::string& name, const Shape& shape) {
    std::int64_t count = 1;
    for (const std::int64_t size : shape) count *= size;
    std::vector<float> values(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 17) - 8;
    tensors.emplace(name + ".weight", testing_support::f32(shape, values));
  };
  add("model.embed_tokens", {96, kHidden});
  add("model.norm", {kHidden});
  for (const char* norm : {"input_layernorm", "post_attention_layernorm"}) {
    add(std::string("model.layers.0.") + norm, {kHidden});
  }
  for (const char* linear : {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                             "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}) {
    add(std::string("model.layers.0.") + linear, {kHidden, kHidden});
  }
  testing_support::write_checkpoint(folder, R"({"architectures": ["LlamaForCausalLM"],
    "model_type": "llama", "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1,
    "num_attention_heads": 2, "num_key_value_heads": 2, "vocab_size": 96, "rms_norm_eps": 1e-5,
    "max_position_embeddings": 64, "torch_dtype": "float32", "tie_word_embeddings": true})",
                                    tensors);
}

constexpr std::string_view kUp = "model.layers.0.mlp.up_proj";

// transformers quantises each Linear that the list does not name, and then misses the head's
// scales.
TEST(Quantize, ListsTheTiedHeadAmongWhatStaysAsItIs) {
  const TemporaryFolder work;
  write_tied_llama(work / "tied");
  const std::pair<const char*, const char*> cases[] = {{"compressed-tensors:w8a8", "ignore"},
                                                       {"quark:fp8", "exclude"},
                                                       {"fp8:fp8-tensor", "modules_to_not_convert"},
                                                       {"modelopt:fp8", "ignore"}};
  for (const auto& [to, key] : cases) {
    SCOPED_TRACE(to);
    const fs::path out = work / std::to_string(&to - &cases[0].first);
    const auto done = quantise(work / "tied", out, to);
    ASSERT_TRUE(done) << done.error().message();
    const auto checkpoint = Checkpoint::open(out);
    ASSERT_TRUE(checkpoint) << checkpoint.error().message();
    const Json* list = checkpoint->config().at({"quantization_config", key});
    ASSERT_NE(list, nullptr);
    EXPECT_EQ(*list, Json::array({Json("lm_head")}));
  }
}

TEST(Quantize, WritesEverySchemeWhereItHasAWriter) {
  const std::pair<const char*, const char*> cases[] = {
      {"compressed-tensors:w8a8",
       "int8 per channel, scale BF16, activations int8 dynamic per token"},
      {"compressed-tensors:w4a16-g32-asym", "int4 per group 32, scale BF16, zero points"},
      {"compressed-tensors:nvfp4a16",
       "e2m1 per group 16, scale F8_E4M3, outer scale F32 per tensor (divisor)"},
      {"compressed-tensors:mxfp8a16", "e4m3fn per group 32, scale F8_E8M0"},
      {"modelopt:nvfp4a16", "e2m1 per group 16, scale F8_E4M3, outer scale F32 per tensor"},
      {"fp8:fp8-block-ue8m0",
       "e4m3fn per block 128x128, scale F8_E8M0, activations e4m3fn dynamic per group 128"},
      {"bitsandbytes:nf4", "nf4 per flat 64, scale F32"},
      {"bitsandbytes:fp4-nested", "fp4 per flat 64, scale U8, outer scale F32 per flat 16384"},
      {"bitsandbytes:int8",
       "int8 per channel, scale F32, outer scale F32 per tensor (divisor), activations int8 "
       "dynamic "
       "per token"},
      {"quark:w4a16", "int4 per group 128, scale BF16"},
      {"quark:mxfp4", "e2m1 per group 32, scale F8_E8M0, activations e2m1 dynamic per group 32"},
      {"quark:mxfp6-e3m2",
       "e3m2 per group 32, scale F8_E8M0, activations e3m2 dynamic per group 32"},
      {"quark:fp8", "e4m3fn per channel, scale BF16, activations e4m3fn dynamic per token"},
  };
  const TemporaryFolder work;
  for (const auto& [to, scheme] : cases) {
    SCOPED_TRACE(to);
    const fs::path out = work / std::to_string(&to - &cases[0].first);
    const auto done = quantise(out, to);
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_EQ(scheme_in(out, kUp), scheme);
  }
}

TEST(Quantize, StaticActivationsTakeTheirScalesFromAFile) {
  const TemporaryFolder work;
  std::string text = "{";
  for (const char* layer : {"0", "1"}) {
    for (const char* name : {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                             "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}) {
      text += std::string(text.size() > 1 ? "," : "") + "\"model.layers." + layer + "." + name +
              "\": 0.03125";
    }
  }
  write_file(work / "scales.json", text + "}");
  const auto scales = InputScales::read(work / "scales.json");
  ASSERT_TRUE(scales) << scales.error().message();
  const auto done = quantise(work / "fp8", "compressed-tensors:fp8-tensor-static", &*scales);
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(scheme_in(work / "fp8", kUp),
            "e4m3fn per tensor, scale BF16, activations e4m3fn static per tensor");
  EXPECT_EQ(first_f32(work / "fp8", std::string(kUp) + ".input_scale"), 0.03125F);
  const auto four = quantise(work / "nvfp4", "compressed-tensors:nvfp4-static", &*scales);
  ASSERT_TRUE(four) << four.error().message();
  EXPECT_EQ(first_f32(work / "nvfp4", std::string(kUp) + ".input_global_scale"), 32.0F);
  const auto again = InputScales::read(work / "fp8/model.safetensors");
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(element_as_double(*again->find(kUp), 0), 0.03125);
  const auto unused = quantise(work / "unused", "compressed-tensors:fp8", &*scales);
  ASSERT_FALSE(unused);
  EXPECT_EQ(unused.error().code(), ErrorCode::kUsage);
}

TEST(Quantize, NamesTheModulesWithoutAScale) {
  const TemporaryFolder work;
  const auto none = quantise(work / "a", "compressed-tensors:w8a8-static");
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message(), HasSubstr("need --input-scales FILE"));
  write_file(work / "scales.json", R"({"model.layers.0.mlp.up_proj.input_scale": 1})");
  const auto scales = InputScales::read(work / "scales.json");
  ASSERT_TRUE(scales) << scales.error().message();
  const auto some = quantise(work / "b", "compressed-tensors:w8a8-static", &*scales);
  ASSERT_FALSE(some);
  EXPECT_EQ(some.error().message(),
            "model.layers.0.mlp.down_proj, model.layers.0.mlp.gate_proj, "
            "model.layers.0.self_attn.k_proj and 10 more: --input-scales has no scale of their "
            "inputs");
}

TEST(Quantize, ReadsOnlyPositiveScales) {
  const TemporaryFolder work;
  for (const char* text : {"{}", "[]", "{", R"({"a": 0})", R"({"a": -1})", R"({"a": "1"})",
                           R"({"a": 1, "a.input_scale": 1})", R"({"a": 1e999})"}) {
    write_file(work / "scales.json", text);
    EXPECT_FALSE(InputScales::read(work / "scales.json")) << text;
  }
}

TEST(Quantize, WeightsThatAreFusedShareTheirOuterScale) {
  const TemporaryFolder work;
  const auto done = quantise(work / "a", "modelopt:nvfp4a16");
  ASSERT_TRUE(done) << done.error().message();
  const auto outer = [&](const char* module) {
    return first_f32(work / "a", std::string("model.layers.1.") + module + ".weight_scale_2");
  };
  EXPECT_GT(outer("self_attn.q_proj"), 0);
  EXPECT_EQ(outer("self_attn.q_proj"), outer("self_attn.k_proj"));
  EXPECT_EQ(outer("self_attn.q_proj"), outer("self_attn.v_proj"));
  EXPECT_EQ(outer("mlp.gate_proj"), outer("mlp.up_proj"));
}

TEST(Quantize, BitsandbytesComesBackByteForByte) {
  const TemporaryFolder work;
  for (const fs::path& folder : corpus_named("bnb__")) {
    SCOPED_TRACE(folder.filename().string());
    const fs::path out = work / folder.filename().string();
    const auto done = convert_folder(folder, out, {.to = "bitsandbytes"});
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_THAT(different_tensors(folder, out), IsEmpty());
    EXPECT_EQ(testing_support::read_file(folder / "config.json"),
              testing_support::read_file(out / "config.json"));
  }
}

TEST(Quantize, QuarkComesBackByteForByteAndSaysTheSame) {
  const TemporaryFolder work;
  for (const fs::path& folder : corpus_named("quark__")) {
    const std::string name = folder.filename().string();
    SCOPED_TRACE(name);
    const bool six = name.find("mxfp6") != std::string::npos;
    const fs::path there = work / (name + "-there");
    const fs::path back = work / (name + "-back");
    const auto done = convert_folder(folder, there, {.to = six ? "quark" : "compressed-tensors"});
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_THAT(mismatches(folder, there), IsEmpty());
    const auto returned = convert_folder(there, back, {.to = "quark"});
    ASSERT_TRUE(returned) << returned.error().message();
    EXPECT_THAT(different_tensors(folder, back), IsEmpty());
    const auto before = parse_json(testing_support::read_file(folder / "config.json"));
    const auto after = parse_json(testing_support::read_file(back / "config.json"));
    ASSERT_TRUE(before && after);
    EXPECT_EQ(before->find("quantization_config")->dump(),
              after->find("quantization_config")->dump());
  }
}

}  // namespace
}  // namespace requant
