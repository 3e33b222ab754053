#include "dialect/gptq_config.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

constexpr std::string_view kSideFile = "quantize_config.json";
constexpr std::string_view kMethods[] = {"gptq", "gptq_v2", "gptq_marlin"};

Error bad_value(const std::string& where, std::string_view key, const Json& value,
                std::string_view expected) {
  return corrupt(fmt::format("config.json: '{}.{}' is {}, expected {}", where, key,
                             printable(value.dump(), 80), expected));
}

// A member that may be absent or null.
const Json* member(const Json& object, std::string_view key) {
  const Json* value = object.find(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

Result<void> read_flag(const Json& block, const std::string& where, std::string_view key,
                       std::optional<bool>& flag) {
  const Json* value = member(block, key);
  if (value == nullptr) return {};
  flag = value->as_bool();
  if (!flag) return bad_value(where, key, *value, "true or false");
  return {};
}

// Writes only what the object says, so that rules override and nothing else.
Result<void> read_settings(const Json& block, const std::string& where, GptqSettings& settings) {
  if (const Json* bits = member(block, "bits")) {
    const auto value = bits->as_int();
    if (!value || *value < 2 || *value > 8) {
      return bad_value(where, "bits", *bits, "an integer from 2 to 8");
    }
    settings.bits = static_cast<int>(*value);
  }
  if (const Json* group = member(block, "group_size")) {
    const auto value = group->as_int();
    if (!value || (*value < 1 && *value != -1)) {
      return bad_value(where, "group_size", *group, "a positive integer or -1");
    }
    settings.group = *value;
  }
  RQ_CHECK(read_flag(block, where, "sym", settings.sym));
  RQ_CHECK(read_flag(block, where, "desc_act", settings.order));
  std::optional<bool> is_static;
  RQ_CHECK(read_flag(block, where, "static_groups", is_static));
  if (const Json* meta = block.find("meta"); meta != nullptr && meta->is_object()) {
    RQ_CHECK(read_flag(*meta, where + ".meta", "static_groups", is_static));
  }
  // Groups were fixed before inputs were sorted: they are in order whatever desc_act says.
  if (is_static.value_or(false)) settings.order = false;
  return {};
}

Result<GptqFormat> read_format(const Json& block, const std::string& where) {
  std::optional<bool> is_marlin;
  RQ_CHECK(read_flag(block, where, "is_marlin_format", is_marlin));
  for (const std::string_view key : {"checkpoint_format", "format"}) {
    const Json* value = member(block, key);
    if (value == nullptr) continue;
    const auto name = value->as_string();
    if (!name) return bad_value(where, key, *value, "the name of a format");
    if (*name == "gptq") return GptqFormat::kV1;
    if (*name == "gptq_v2") return GptqFormat::kV2;
    if (*name == "gptq_p") return GptqFormat::kPlanar;
    if (*name == "marlin") return GptqFormat::kMarlin;
    return refused(fmt::format("GPTQ {} {} cannot be read; gptq, gptq_v2, gptq_p and marlin can",
                               key, in_quotes(*name)));
  }
  return is_marlin.value_or(false) ? GptqFormat::kMarlin : GptqFormat::kUnstated;
}

Result<std::vector<GptqRule>> read_rules(const Json& block, const std::string& where) {
  std::vector<GptqRule> rules;
  const Json* dynamic = member(block, "dynamic");
  if (dynamic == nullptr || dynamic->as_bool() == false) return rules;
  if (!dynamic->is_object()) return bad_value(where, "dynamic", *dynamic, "an object");
  for (const auto& [key, value] : dynamic->members()) {
    std::string_view pattern = key;
    const bool excludes = pattern.starts_with("-:");
    if (excludes || pattern.starts_with("+:")) pattern.remove_prefix(2);
    const std::string label = fmt::format("{}.dynamic", where);
    RQ_TRY_IN(NamePattern compiled, NamePattern::compile(pattern), label);
    GptqRule rule = {
        .text = key, .pattern = std::move(compiled), .excludes = excludes, .settings = {}};
    if (!excludes && value.is_object()) {
      RQ_CHECK(read_settings(value, label + "." + printable(key, 80), rule.settings));
    }
    rules.push_back(std::move(rule));
  }
  return rules;
}

// One name or a list; GPTQModel's own counts where it is among others.
std::string quantizer_of(const Json& block) {
  const Json* value = block.at({"meta", "quantizer"});
  if (value == nullptr) return {};
  if (const auto name = value->as_string()) return std::string(*name);
  const auto names = strings_of(value);
  if (names.empty()) return {};
  const auto own = std::ranges::find_if(
      names, [](const std::string& name) { return name.starts_with("gptqmodel"); });
  return own == names.end() ? names.front() : *own;
}

// GPTQModel and auto-round subtract from whole words, the others field by field.
bool subtracts_from_words(const GptqConfig& config) {
  return config.quantizer.starts_with("gptqmodel") ||
         config.quantizer.find("auto-round") != std::string::npos ||
         config.block->find("autoround_version") != nullptr;
}

const Json* side_file(const Facts& facts) {
  const auto side = facts.side.find(std::string(kSideFile));
  if (side == facts.side.end()) return nullptr;
  const std::string_view method = text_at(&side->second, "quant_method");
  return method.empty() || is_gptq_method(method) ? &side->second : nullptr;
}

void compare_side_file(const GptqConfig& config, const Json* side, std::vector<Finding>& findings) {
  if (side == nullptr || side == config.block) return;
  for (const char* key : {"bits", "group_size", "desc_act", "sym", "checkpoint_format"}) {
    const Json* ours = member(*config.block, key);
    const Json* theirs = member(*side, key);
    if (ours == nullptr || theirs == nullptr || *ours == *theirs) continue;
    Finding& finding = findings.emplace_back(
        make_finding(Severity::kWarning, "gptq.side-file", std::string(kSideFile),
                     fmt::format("'{}' is {}, config.json has {}: config.json counts", key,
                                 printable(theirs->dump(), 80), printable(ours->dump(), 80))));
    finding.expected = printable(ours->dump(), 80);
    finding.observed = printable(theirs->dump(), 80);
  }
}

}  // namespace

bool is_gptq_method(std::string_view method) {
  return std::ranges::find(kMethods, method) != std::end(kMethods);
}

Scheme GptqSettings::scheme() const {
  Scheme scheme;
  scheme.bits = bits == 0 ? 4 : bits;
  // Of a tensor, which no layout has: not known.
  scheme.grid = group == 0 ? Grid::tensor() : group == -1 ? Grid::channel() : Grid::group(group);
  scheme.offset = sym.value_or(false) ? Offset::kNone : Offset::kZero;
  scheme.permuted = order.value_or(true);
  return scheme;
}

Result<std::optional<GptqSettings>> GptqConfig::of(std::string_view module) const {
  GptqSettings merged = settings;
  for (const GptqRule& rule : rules) {
    RQ_TRY(const bool hit, rule.pattern.matches(module));
    if (!hit) continue;
    if (rule.excludes) return std::optional<GptqSettings>();
    if (rule.settings.bits != 0) merged.bits = rule.settings.bits;
    if (rule.settings.group != 0) merged.group = rule.settings.group;
    if (rule.settings.sym) merged.sym = rule.settings.sym;
    if (rule.settings.order) merged.order = rule.settings.order;
    break;
  }
  return std::optional(merged);
}

Result<GptqConfig> read_gptq_config(const Facts& facts, std::vector<Finding>& findings) {
  GptqConfig config;
  for (const std::string_view method : kMethods) {
    const ConfigBlock block = block_of_method(facts, method);
    if (block.block == nullptr) continue;
    config.block = block.block;
    config.where = name_of(block);
    break;
  }
  const Json* side = side_file(facts);
  if (config.block == nullptr) {
    config.block = side;
    config.where = kSideFile;
  }
  const auto& metadata = facts.source.metadata();
  config.from_autogptq = metadata.contains("auto_gptq_version");
  if (config.block == nullptr) return config;
  const Json& block = *config.block;
  RQ_CHECK(read_settings(block, config.where, config.settings));
  RQ_TRY(config.format, read_format(block, config.where));
  RQ_TRY(config.rules, read_rules(block, config.where));
  std::optional<bool> lm_head;
  RQ_CHECK(read_flag(block, config.where, "lm_head", lm_head));
  config.lm_head = lm_head.value_or(false);
  config.quantizer = quantizer_of(block);
  config.by_words = subtracts_from_words(config);
  config.from_autogptq |= block.find("is_marlin_format") != nullptr;
  compare_side_file(config, side, findings);
  return config;
}

}  // namespace requant
