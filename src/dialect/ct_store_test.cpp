#include "dialect/ct_store.h"

#include <gtest/gtest.h>

#include "dialect/testing.h"

namespace requant {
namespace {

using testing_support::FakeCheckpoint;
using testing_support::has_rule;
using Entries = std::vector<FakeCheckpoint::Entry>;

const Dialect& dialect() { return *find_dialect("compressed-tensors"); }

constexpr std::string_view kInt4 =
    R"({"num_bits":4,"type":"int","symmetric":true,"strategy":"group","group_size":32})";

// One group for all Linears; `more` are further keys of the block.
std::string config(std::string_view weights, std::string_view inputs = "null",
                   std::string_view more = "") {
  return R"({"model_type":"llama","architectures":["LlamaForCausalLM"],"quantization_config":{
    "quant_method":"compressed-tensors","ignore":["lm_head"],)" +
         std::string(more) + R"("config_groups":{"group_0":{"targets":["Linear"],"weights":)" +
         std::string(weights) + R"(,"input_activations":)" + std::string(inputs) + "}}}}";
}

Entries named(std::string_view module, const Entries& parts) {
  Entries entries = {{"lm_head.weight", DType::kBF16, {16, 4}}};
  for (const auto& part : parts) {
    entries.push_back({std::string(module) + "." + part.name, part.dtype, part.shape});
  }
  return entries;
}

Result<Resolution> resolve(const std::string& text, const Entries& parts) {
  const FakeCheckpoint fake(text, named("model.layers.0.mlp.up_proj", parts));
  EXPECT_EQ(dialect().recognize(fake.facts()).match, Match::kYes);
  return dialect().resolve(fake.facts());
}

void expect_weight(const Result<Resolution>& resolution, std::string_view codec, std::int64_t rows,
                   std::int64_t cols, std::string_view scheme) {
  ASSERT_TRUE(resolution) << resolution.error().message();
  ASSERT_EQ(resolution->weights.size(), 1U);
  const Weight& weight = resolution->weights[0];
  EXPECT_EQ(weight.codec->name, codec);
  EXPECT_EQ(weight.rows, rows);
  EXPECT_EQ(weight.cols, cols);
  EXPECT_EQ(describe(weight.scheme), scheme);
  EXPECT_TRUE(resolution->findings.empty());
}

void expect_error(const Result<Resolution>& resolution, ErrorCode code, std::string_view text) {
  ASSERT_FALSE(resolution);
  EXPECT_EQ(resolution.error().code(), code);
  EXPECT_NE(resolution.error().message().find(text), std::string::npos)
      << resolution.error().message();
}

Entries packed(Shape words, Shape scale) {
  return {{"weight_packed", DType::kI32, std::move(words)},
          {"weight_scale", DType::kBF16, std::move(scale)},
          {"weight_shape", DType::kI64, {2}}};
}

TEST(CtStore, SizesPackedWeightsByTheirGroups) {
  expect_weight(resolve(config(kInt4), packed({8, 12}, {8, 3})), "ct-pack", 8, 96,
                "int4 per group 32, scale BF16");
}

TEST(CtStore, TellsTheTwoPackingsOfOddWidthsApart) {
  const std::string three = R"({"num_bits":3,"type":"int","strategy":"group","group_size":128})";
  expect_weight(resolve(config(three), packed({8, 24}, {8, 2})), "ct-pack", 8, 256,
                "int3 per group 128, scale BF16");
  expect_weight(resolve(config(three), packed({8, 26}, {8, 2})), "ct-pack-padded", 8, 256,
                "int3 per group 128, scale BF16");
  // Where both give the same width the version decides.
  const std::string small = R"({"num_bits":3,"type":"int","strategy":"group","group_size":10})";
  const Entries entries = packed({8, 2}, {8, 2});
  expect_weight(resolve(config(small, "null", R"("version":"0.17.1",)"), entries), "ct-pack-padded",
                8, 20, "int3 per group 10, scale BF16");
  expect_weight(resolve(config(small, "null", R"("version":"0.19.0",)"), entries), "ct-pack", 8, 20,
                "int3 per group 10, scale BF16");
}

TEST(CtStore, TakesEightBitsForEightThoughSevenPaddedOnesWouldFit) {
  const std::string eight = R"({"num_bits":8,"type":"int","strategy":"group","group_size":32})";
  Entries entries = packed({8, 16}, {8, 2});
  entries.push_back({"weight_g_idx", DType::kI32, {64}});
  expect_weight(resolve(config(eight), entries), "ct-pack", 8, 64,
                "int8 per group 32, scale BF16, permuted inputs");
}

TEST(CtStore, TakesAnOrderOfInputsForAPermutation) {
  Entries entries = packed({8, 8}, {8, 2});
  entries.push_back({"weight_g_idx", DType::kI32, {64}});
  expect_weight(resolve(config(kInt4), entries), "ct-pack", 8, 64,
                "int4 per group 32, scale BF16, permuted inputs");
}

TEST(CtStore, FindsTheFloatFormats) {
  const std::string fp4_16 =
      R"({"num_bits":4,"type":"float","strategy":"tensor_group","group_size":16})";
  const Entries nvfp4 = {{"weight_packed", DType::kU8, {8, 32}},
                         {"weight_scale", DType::kF8E4M3, {8, 4}},
                         {"weight_global_scale", DType::kF32, {1}}};
  expect_weight(resolve(config(fp4_16), nvfp4), "ct-nvfp4", 8, 64,
                "e2m1 per group 16, scale F8_E4M3, outer scale F32 per tensor (divisor)");
  const std::string fp4 = R"({"num_bits":4,"type":"float","strategy":"group","group_size":32})";
  expect_weight(resolve(config(fp4), {{"weight_packed", DType::kU8, {8, 32}},
                                      {"weight_scale", DType::kU8, {8, 2}}}),
                "ct-mxfp4", 8, 64, "e2m1 per group 32, scale F8_E8M0");
  const std::string fp6 = R"({"num_bits":6,"type":"float","strategy":"group","group_size":32})";
  expect_weight(resolve(config(fp6), {{"weight_packed", DType::kU8, {8, 48}},
                                      {"weight_scale", DType::kU8, {8, 2}}}),
                "ct-mxfp6", 8, 64, "e2m3 per group 32, scale F8_E8M0");
  const std::string fp8 = R"({"num_bits":8,"type":"float","strategy":"group","group_size":32})";
  expect_weight(resolve(config(fp8), {{"weight", DType::kF8E4M3, {8, 64}},
                                      {"weight_scale", DType::kU8, {8, 2}}}),
                "ct-mxfp8", 8, 64, "e4m3fn per group 32, scale F8_E8M0");
}

TEST(CtStore, WantsTheGlobalScaleOfActivationsInNvfp4) {
  const std::string fp4 =
      R"({"num_bits":4,"type":"float","strategy":"tensor_group","group_size":16})";
  const std::string local =
      R"({"num_bits":4,"type":"float","strategy":"tensor_group","group_size":16,"dynamic":"local"})";
  Entries entries = {{"weight_packed", DType::kU8, {8, 32}},
                     {"weight_scale", DType::kF8E4M3, {8, 4}},
                     {"weight_global_scale", DType::kF32, {1}}};
  expect_error(resolve(config(fp4, local), entries), ErrorCode::kCorrupt,
               "up_proj.input_global_scale is missing");
  entries.push_back({"input_global_scale", DType::kF32, {1}});
  expect_weight(resolve(config(fp4, local), entries), "ct-nvfp4", 8, 64,
                "e2m1 per group 16, scale F8_E4M3, outer scale F32 per tensor (divisor), "
                "activations e2m1 dynamic per group 16");
}

TEST(CtStore, RefusesTheOldExponentsOfMxfp4) {
  const std::string fp4 = R"({"num_bits":4,"type":"float","strategy":"group","group_size":32})";
  const Entries entries = {{"weight_packed", DType::kU8, {8, 32}},
                           {"weight_scale", DType::kU8, {8, 2}}};
  expect_error(resolve(config(fp4, "null", R"("version":"0.13.0",)"), entries), ErrorCode::kRefused,
               "bias of 125");
  EXPECT_TRUE(resolve(config(fp4, "null", R"("version":"0.14.0",)"), entries));
}

TEST(CtStore, NamesMarlin24AndDoesNotReadIt) {
  const Entries entries = {{"weight_packed", DType::kI32, {2, 64}},
                           {"scale_packed", DType::kF16, {2, 32}},
                           {"meta", DType::kI16, {2, 64}}};
  const auto resolution = resolve(config(kInt4), entries);
  ASSERT_TRUE(resolution) << resolution.error().message();
  EXPECT_EQ(resolution->weights[0].codec->name, "ct-marlin-24");
  EXPECT_EQ(resolution->weights[0].rows, 32);
  EXPECT_EQ(resolution->weights[0].cols, 64);
  ASSERT_TRUE(has_rule(resolution->findings, "dialect.not-readable"));
}

TEST(CtStore, RefusesStacksOfExperts) {
  expect_error(resolve(config(kInt4), packed({4, 8, 12}, {4, 8, 3})), ErrorCode::kRefused,
               "stacks of experts");
}

TEST(CtStore, NamesTensorsThatDoNotFitTogether) {
  expect_error(resolve(config(kInt4), {{"weight_packed", DType::kI32, {8, 12}}}),
               ErrorCode::kCorrupt, "up_proj.weight_scale is missing");
  const std::string fp4 = R"({"num_bits":4,"type":"float","strategy":"group","group_size":32})";
  expect_error(resolve(config(fp4), {{"weight_packed", DType::kU8, {8, 40}},
                                     {"weight_scale", DType::kU8, {8, 2}}}),
               ErrorCode::kCorrupt, "weight_packed is U8 [8, 40]");
}

TEST(CtStore, ReadsBitmasksUnderBothKindsOfNames) {
  const std::string fp8 = R"({"num_bits":8,"type":"float","strategy":"channel"})";
  expect_weight(resolve(config(fp8), {{"compressed", DType::kF8E4M3, {8, 16}},
                                      {"bitmask", DType::kU8, {8, 4}},
                                      {"shape", DType::kI64, {2, 1}},
                                      {"weight_scale", DType::kBF16, {8, 1}}}),
                "ct-sparse-24", 8, 32, "e4m3fn per channel, scale BF16");
  const FakeCheckpoint fake(
      config(fp8), named("model.layers.0.mlp.up_proj", {{"weight.compressed", DType::kF8E4M3, {9}},
                                                        {"weight.bitmask", DType::kU8, {8, 4}},
                                                        {"weight.row_offsets", DType::kI64, {8}},
                                                        {"weight.shape", DType::kI64, {2}},
                                                        {"weight_scale", DType::kBF16, {8, 1}}}));
  const auto modules = ct_merged_modules(fake.facts().modules);
  ASSERT_TRUE(modules);
  int merged = 0;
  for (const ModuleTensors& module : *modules) {
    if (module.module != "model.layers.0.mlp.up_proj") continue;
    EXPECT_NE(module.find("weight.bitmask"), nullptr);
    EXPECT_NE(module.find("weight_scale"), nullptr);
    EXPECT_EQ(ct_form_of(module)->format, "sparse-bitmask");
    ++merged;
  }
  EXPECT_EQ(merged, 1);
}

TEST(CtStore, ReadsSparseWeightsThatAreNotQuantised) {
  const std::string text = R"({"model_type":"llama","quantization_config":{
    "quant_method":"compressed-tensors","ignore":["lm_head"],
    "sparsity_config":{"format":"sparse-24-bitmask","targets":["Linear"]}}})";
  const auto resolution = resolve(text, {{"compressed", DType::kBF16, {8, 16}},
                                         {"bitmask", DType::kU8, {8, 4}},
                                         {"shape", DType::kI64, {2, 1}}});
  expect_weight(resolution, "ct-sparse-24", 8, 32, "dense BF16");
}

TEST(CtStore, ReadsExpertsUnderTheConfigOfALanguageModel) {
  // Names in the nested block are those of the language model alone.
  const std::string text = R"({"model_type":"kimi_k25","text_config":{"quantization_config":{
    "quant_method":"compressed-tensors","format":"pack-quantized","quantization_status":"compressed",
    "ignore":["lm_head","re:.*self_attn.*","re:.*shared_experts.*",
              "re:.*mlp\\.(gate|up|gate_up|down)_proj.*"],
    "config_groups":{"group_0":{"targets":["Linear"],"weights":)" +
                           std::string(kInt4) + "}}}}}";
  Entries entries =
      named("language_model.model.layers.1.mlp.experts.7.up_proj", packed({64, 8}, {64, 2}));
  entries.front().name = "language_model.lm_head.weight";
  for (const char* dense : {"self_attn.q_proj", "mlp.shared_experts.up_proj"}) {
    entries.push_back(
        {"language_model.model.layers.1." + std::string(dense) + ".weight", DType::kBF16, {16, 4}});
  }
  entries.push_back({"language_model.model.layers.0.mlp.down_proj.weight", DType::kBF16, {16, 4}});
  const FakeCheckpoint fake(text, entries);
  EXPECT_EQ(dialect().recognize(fake.facts()).match, Match::kYes);
  expect_weight(dialect().resolve(fake.facts()), "ct-pack", 64, 64,
                "int4 per group 32, scale BF16");
}

TEST(CtStore, SaysWhatTheCacheHas) {
  const std::string more =
      R"("kv_cache_scheme":{"num_bits":8,"type":"float","strategy":"tensor","dynamic":false},)";
  Entries entries = packed({8, 12}, {8, 3});
  const auto without = resolve(config(kInt4, "null", more), entries);
  ASSERT_TRUE(without) << without.error().message();
  ASSERT_TRUE(has_rule(without->findings, "ct.kv-scales"));
  EXPECT_EQ(without->findings[0].severity, Severity::kWarning);
  entries.push_back({"k_scale", DType::kBF16, {1}});
  const auto with = resolve(config(kInt4, "null", more), entries);
  ASSERT_TRUE(with);
  ASSERT_TRUE(has_rule(with->findings, "ct.kv-scales"));
  EXPECT_EQ(with->findings[0].message,
            "model.layers.0.mlp.up_proj has scales of its cache: float8 static per tensor");
}

TEST(CtStore, SaysWhenTheFormatIsAnother) {
  const auto resolution =
      resolve(config(kInt4, "null", R"("format":"int-quantized",)"), packed({8, 12}, {8, 3}));
  ASSERT_TRUE(resolution);
  EXPECT_TRUE(has_rule(resolution->findings, "config.format-disagrees"));
}

TEST(CtStore, WritesWhatTheLibraryWouldChoose) {
  const auto codec = [](const Scheme& scheme) { return ct_codec_for(scheme)->name; };
  Scheme scheme = {.bits = 4, .grid = Grid::group(32)};
  EXPECT_EQ(codec(scheme), "ct-pack");
  scheme.activations = Activations::dynamic_token(Element::kE4M3Fn);
  EXPECT_EQ(codec(scheme), "ct-quantized");
  scheme = {.element = Element::kE4M3Fn, .grid = Grid::block(128, 128)};
  EXPECT_EQ(codec(scheme), "ct-quantized");
  scheme = {.element = Element::kE5M2};
  EXPECT_EQ(ct_codec_for(scheme), nullptr);
}

}  // namespace
}  // namespace requant
