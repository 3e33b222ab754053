// Intel auto-round's own export. Its tensors are those of another layout, which packing_format
// names:
//
//   auto_round:auto_gptq               GPTQ v1, without g_idx
//   auto_round, auto_round:gptqmodel   GPTQ v2
//   auto_round:auto_awq                AWQ gemm
//
// Floats and MLX are exported under the same quant_method and are not read.

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "dialect/auto_round_write.h"
#include "dialect/dialect.h"
#include "dialect/gptq_config.h"
#include "dialect/gptq_reading.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

constexpr std::string_view kMethods[] = {"auto-round", "intel/auto-round", "auto_round"};

struct Packing {
  std::string_view name;  // without "auto_round:"
  GptqFormat format;
  bool awq = false;
};
constexpr Packing kPackings[] = {
    {"auto_gptq", GptqFormat::kV1},
    {"auto_round", GptqFormat::kV2},
    {"gptqmodel", GptqFormat::kV2},
    {"auto_awq", GptqFormat::kV1, true},
};

ConfigBlock block_of(const Facts& facts) {
  for (const std::string_view method : kMethods) {
    ConfigBlock block = block_of_method(facts, method);
    if (block.block != nullptr) return block;
  }
  return {};
}

Recognition recognize(const Facts& facts) {
  Recognition result;
  const std::string method = declared_method(facts);
  if (std::ranges::find(kMethods, method) == std::end(kMethods)) return result;
  result.match = Match::kMaybe;
  result.evidence.push_back("quant_method is " + method);
  if (const ModuleTensors* module = facts.modules.first_with("qweight")) {
    result.match = Match::kYes;
    result.evidence.push_back(describe(*module->find("qweight")));
  }
  return result;
}

Result<Packing> packing_of(const Json& block) {
  std::string_view name = text_at(&block, "packing_format");
  if (name.empty()) name = "auto_round:auto_gptq";  // what files had before they said it
  const std::string stated = printable(name, 80);
  if (name.starts_with("auto_round:")) name.remove_prefix(std::string_view("auto_round:").size());
  for (const Packing& packing : kPackings) {
    if (packing.name == name) return packing;
  }
  return refused(
      fmt::format("auto-round packing_format '{}' cannot be read; auto_gptq, gptqmodel "
                  "and auto_awq can",
                  stated));
}

Result<GptqSettings> settings_of(const Json& json, const std::string& where) {
  GptqSettings settings;
  settings.order = false;
  const Json* bits = json.find("bits");
  const Json* group = json.find("group_size");
  const Json* sym = json.find("sym");
  const auto is_null = [](const Json* value) { return value == nullptr || value->is_null(); };
  if (!is_null(bits)) {
    const auto value = bits->as_int();
    if (!value || *value < 1 || *value > 32) {
      return corrupt(fmt::format("config.json: '{}.bits' is {}, expected an integer", where,
                                 printable(bits->dump(), 80)));
    }
    settings.bits = static_cast<int>(*value);
  }
  if (!is_null(group)) {
    const auto value = group->as_int();
    if (!value || (*value < 1 && *value != -1)) {
      return corrupt(
          fmt::format("config.json: '{}.group_size' is {}, expected a positive integer "
                      "or -1",
                      where, printable(group->dump(), 80)));
    }
    settings.group = *value;
  }
  if (!is_null(sym)) settings.sym = sym->as_bool();
  return settings;
}

// extra_config: names of modules, or regular expressions that may match anywhere in one.
Result<std::vector<GptqRule>> rules_of(const Json& block, const std::string& where) {
  std::vector<GptqRule> rules;
  const Json* extra = block.find("extra_config");
  if (extra == nullptr || !extra->is_object()) return rules;
  for (const auto& [key, value] : extra->members()) {
    const std::string label = where + ".extra_config." + printable(key, 80);
    RQ_TRY(GptqSettings settings, settings_of(value, label));
    RQ_TRY_IN(NamePattern pattern, NamePattern::compile("(?:.*)(?:" + key + ")"), label);
    const bool excludes = settings.bits >= 16;
    if (excludes) settings.bits = 0;
    rules.push_back(
        {.text = key, .pattern = std::move(pattern), .excludes = excludes, .settings = settings});
  }
  return rules;
}

Result<GptqConfig> config_of(const ConfigBlock& block, const Packing& packing) {
  GptqConfig config;
  config.block = block.block;
  config.where = name_of(block);
  config.format = packing.format;
  config.format_key = "packing_format";
  config.by_words = true;
  RQ_TRY(config.settings, settings_of(*block.block, config.where));
  RQ_TRY(config.rules, rules_of(*block.block, config.where));
  return config;
}

Error not_packed(const ModuleTensors& module) {
  std::string parts;
  for (const auto& [suffix, tensor] : module.parts) {
    parts += fmt::format("{}{} {} {}", parts.empty() ? "" : ", ", printable(suffix),
                         name_of(tensor->dtype), to_string(tensor->shape));
  }
  return corrupt(fmt::format("{}: {}: expected the qweight, qzeros and scales of GPTQ or AWQ gemm",
                             printable(module.module), parts));
}

Result<Weight> resolve_module(const ModuleTensors& module, const Scheme& declared,
                              const GptqReading& reading, const Facts& facts) {
  const bool gptq = has_gptq_shape(module);
  const Codec& codec = gptq ? reading.codec(declared) : *find_codec("awq-gemm");
  auto weight = weight_of(module, place_of(module, facts), {"qweight", "qzeros", "scales", "g_idx"},
                          declared, codec);
  if (!weight) return not_packed(module);
  weight->rows = module.find("scales")->shape[1];
  const std::int64_t words = module.find("qweight")->shape[0];
  weight->cols = gptq ? words * 32 / weight->scheme.bits : words;
  return *std::move(weight);
}

void check_packing(const GptqConfig& config, const Packing& packing, Resolution& resolution) {
  if (resolution.weights.empty()) return;
  const Weight& first = resolution.weights.front();
  const bool awq = first.codec->name == "awq-gemm";
  if (awq == packing.awq) return;
  Finding& finding = resolution.findings.emplace_back(make_finding(
      Severity::kError, "auto-round.packing-format", "config.json",
      fmt::format("'{}.packing_format' means {}, the tensors of {} are those of {}", config.where,
                  packing.awq ? "awq" : "gptq", printable(first.module), awq ? "awq" : "gptq")));
  finding.why = "engines choose their loader by packing_format";
}

Result<void> check_settings(const GptqConfig& config, Resolution& resolution) {
  for (const Weight& weight : resolution.weights) {
    RQ_TRY(const auto settings, config.of(weight.module));
    const Grid& grid = weight.scheme.grid;
    const std::int64_t group = grid.is_channel() ? weight.cols : grid.block_cols;
    std::string stated;
    if (!settings) {
      stated = "does not quantise";
    } else if (settings->bits != 0 && settings->bits != weight.scheme.bits) {
      stated = fmt::format("states {} bits for", settings->bits);
    } else if (settings->group != 0 && settings->group != group &&
               !(settings->group == -1 && group == weight.cols)) {
      stated = fmt::format("states groups of {} for", settings->group);
    }
    if (stated.empty()) continue;
    resolution.findings.push_back(
        make_finding(Severity::kError, "auto-round.scheme", "config.json",
                     fmt::format("'{}' {} {}, whose tensors are {}", config.where, stated,
                                 printable(weight.module), describe(weight.scheme))));
    return {};
  }
  return {};
}

Result<Resolution> resolve(const Facts& facts) {
  const ConfigBlock block = block_of(facts);
  if (block.block == nullptr) return corrupt("config.json: no block of auto-round");
  RQ_TRY(const Packing packing, packing_of(*block.block));
  RQ_TRY(const GptqConfig config, config_of(block, packing));
  Resolution resolution;
  RQ_TRY(const GptqReading reading, find_gptq_reading(facts, config, resolution.findings));
  for (const ModuleTensors& module : facts.modules.modules()) {
    if (module.find("qweight") == nullptr && module.find("qzeros") == nullptr) continue;
    for (const char* suffix : {"qweight", "scales"}) {
      if (module.find(suffix) != nullptr) continue;
      return corrupt(fmt::format("{}.{} is missing", printable(module.module), suffix));
    }
    RQ_TRY(const auto settings, config.of(module.module));
    const Scheme declared = reading.scheme(settings.value_or(config.settings));
    RQ_TRY(auto weight, resolve_module(module, declared, reading, facts));
    resolution.weights.push_back(std::move(weight));
  }
  check_packing(config, packing, resolution);
  RQ_CHECK(check_settings(config, resolution));
  return resolution;
}

WriterGuess writer(const Facts& facts) {
  const ConfigBlock block = block_of(facts);
  WriterGuess guess;
  if (block.block == nullptr) return guess;
  guess.tool = "auto-round";
  guess.version = printable(text_at(block.block, "autoround_version"), 32);
  guess.evidence = {name_of(block) + ".quant_method is " +
                    in_quotes(text_at(block.block, "quant_method"))};
  return guess;
}

}  // namespace

extern const Dialect k_dialect_auto_round;
const Dialect k_dialect_auto_round = {
    .name = "auto-round",
    .long_name = "Intel auto-round: GPTQ's and AWQ's tensors",
    .source = "intel/auto-round auto_round/export/export_to_autoround@0.15.1",
    .recognize = recognize,
    .resolve = resolve,
    .writer = writer,
    .codec_for = auto_round_codec_for,
    .quantization_config = auto_round_quantization_config,
    .quant_methods = "auto-round intel/auto-round auto_round",
};

}  // namespace requant
