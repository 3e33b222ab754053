// What one generation of a library writes and the other does not read. Of transformers nothing
// fails loudly but the tokenizer.

#include "rule/drift.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/text.h"
#include "dialect/dialect.h"
#include "rule/beside.h"
#include "rule/run.h"

namespace requant {
namespace {

constexpr int kOld = 4;

// Who would read it: certain for an engine that is installed with transformers 4.
bool reads_as_4(const RuleRun& run) {
  return run.engine() && run.engine()->transformers_major == kOld;
}
bool reads_as_5(const RuleRun& run) {
  return run.engine() && run.engine()->transformers_major.value_or(kOld) > kOld;
}

void say(RuleRun& run, std::string where, std::string message) {
  if (reads_as_5(run)) return;
  Finding& finding = run.add(std::move(where), std::move(message));
  if (reads_as_4(run)) {
    finding.evidence = run.engine()->name + " is installed with transformers 4";
  } else {
    finding.severity = run.engine() ? Severity::kWarning : Severity::kInfo;
  }
}

// config.json and the configs of its parts that hold a language model.
std::vector<std::pair<std::string, const Json*>> parts_of(const Checkpoint& checkpoint) {
  std::vector<std::pair<std::string, const Json*>> parts = {{"", &checkpoint.config()}};
  for (const std::string& key : checkpoint.architecture().language_config_keys()) {
    const Json* part = checkpoint.config().find(key);
    if (part != nullptr && part->is_object()) parts.emplace_back(key + ".", part);
  }
  return parts;
}

void look_at_rope(RuleRun& run) {
  for (const auto& [prefix, part] : parts_of(run.checkpoint())) {
    const auto lost = rope_that_4_loses(*part);
    if (!lost.empty()) {
      say(run, "config.json",
          fmt::format("'{}rope_parameters' has {}, and there is no key that transformers 4 reads",
                      prefix, lost));
    }
  }
}

void look_at_experts(RuleRun& run) {
  for (const auto& [prefix, part] : parts_of(run.checkpoint())) {
    if (!lacks_num_experts(*part)) continue;
    say(run, "config.json",
        fmt::format("'{}num_local_experts' is {}, and there is no 'num_experts', which "
                    "transformers 4 reads for {}",
                    prefix, printable(part->find("num_local_experts")->dump(), 20),
                    printable(part->find("model_type")->as_string().value_or(""), 40)));
  }
}

void look_at_dtype(RuleRun& run) {
  for (const auto& [prefix, part] : parts_of(run.checkpoint())) {
    if (part->find("dtype") == nullptr || part->find("torch_dtype") != nullptr) continue;
    if (reads_as_5(run)) return;
    Finding& finding = run.add(
        "config.json", fmt::format("'{}dtype' is there, and no '{}torch_dtype'", prefix, prefix));
    if (!run.engine()) finding.severity = Severity::kInfo;
    return;
  }
}

void look_at_tokenizer(RuleRun& run) {
  const auto config = json_beside(run.checkpoint(), "tokenizer_config.json");
  if (!config) return;
  const Json* name = config->find("tokenizer_class");
  const auto text = name == nullptr ? std::nullopt : name->as_string();
  if (!text || !text->starts_with(kNewTokenizer)) return;
  say(run, "tokenizer_config.json",
      fmt::format("'tokenizer_class' is {}, which transformers 4 does not have", in_quotes(*text)));
}

void look_at_null_keys(RuleRun& run) {
  const Checkpoint& checkpoint = run.checkpoint();
  if (checkpoint.dialect().name != "compressed-tensors") return;
  for (const ConfigBlock& block :
       find_config_blocks(checkpoint.config(), checkpoint.architecture())) {
    const std::string key = newer_null_key(*block.block);
    if (key.empty()) continue;
    run.add("config.json",
            fmt::format("'{}' has {} and others that are null", name_of(block), in_quotes(key)));
  }
}

constexpr std::string_view kBoth = "requant fix SRC -o OUT writes both generations' keys";

constexpr auto kRules = std::to_array<Rule>({
    {.id = "drift.rope",
     .severity = Severity::kError,
     .text = "Rotary settings stand in rope_parameters only, which transformers 4 does not read.",
     .why = "it takes rope_theta 10000 and no scaling, silently: answers get worse with length",
     .repair = kBoth,
     .look = look_at_rope},
    {.id = "drift.num-experts",
     .severity = Severity::kError,
     .text = "The number of experts has the name of transformers 5 only.",
     .why = "transformers 4 builds its default number of experts",
     .repair = kBoth,
     .look = look_at_experts},
    {.id = "drift.dtype",
     .severity = Severity::kWarning,
     .text = "The dtype has the name of transformers 5 only.",
     .why = "transformers before 4.56 reads torch_dtype and takes float32 without it",
     .repair = kBoth,
     .look = look_at_dtype},
    {.id = "drift.tokenizer-class",
     .severity = Severity::kError,
     .text = "The tokenizer's class exists in transformers 5 only.",
     .why = "transformers 4 stops with: Tokenizer class TokenizersBackend does not exist",
     .repair = "requant fix SRC -o OUT names PreTrainedTokenizerFast, which both know",
     .look = look_at_tokenizer},
    {.id = "drift.null-keys",
     .severity = Severity::kInfo,
     .text = "Keys that compressed-tensors 0.13 brought stand in the block and say nothing.",
     .why = "compressed-tensors 0.11 and 0.12, and engines that pin them, refuse keys that they do "
            "not know, null or not",
     .repair = "requant fix SRC -o OUT drops them",
     .look = look_at_null_keys},
});

}  // namespace

std::string rope_that_4_loses(const Json& config) {
  const Json* rope = config.find("rope_parameters");
  if (rope == nullptr || !rope->is_object()) return {};
  constexpr double kDefault = 10000;  // of transformers 4 where there is no rope_theta
  const Json* theta = rope->find("rope_theta");
  const double value = theta == nullptr ? kDefault : theta->as_double().value_or(kDefault);
  if (config.find("rope_theta") == nullptr && value != kDefault) {
    return fmt::format("rope_theta {}", printable(theta->dump(), 40));
  }
  const Json* type = rope->find("rope_type");
  const auto name = type == nullptr ? "default" : type->as_string().value_or("default");
  const Json* old = config.find("rope_scaling");
  if (name != "default" && (old == nullptr || old->is_null())) {
    return fmt::format("rope_type {}", in_quotes(name));
  }
  return {};
}

bool lacks_num_experts(const Json& config) {
  static constexpr std::string_view kRenamed[] = {
      "qwen2_moe", "qwen3_moe", "qwen3_next", "qwen3_vl_moe_text", "qwen3_omni_moe_text", "olmoe"};
  const Json* type = config.find("model_type");
  const auto name = type == nullptr ? "" : type->as_string().value_or("");
  return std::ranges::find(kRenamed, name) != std::end(kRenamed) &&
         config.find("num_local_experts") != nullptr && config.find("num_experts") == nullptr;
}

std::string newer_null_key(const Json& block) {
  const Json* groups = block.find("config_groups");
  if (groups == nullptr) return {};
  for (const auto& [name, group] : groups->members()) {
    for (const std::string_view part : kCtArguments) {
      const Json* arguments = group.find(part);
      for (const std::string_view key : kNewerCtKeys) {
        const Json* value = arguments == nullptr ? nullptr : arguments->find(key);
        if (value != nullptr && value->is_null()) return std::string(key);
      }
    }
  }
  return {};
}

extern const RuleFamily k_rules_drift;
const RuleFamily k_rules_drift = {
    .name = "drift",
    .text = "what one generation of a library writes and the other does not read",
    .rules = kRules,
};

}  // namespace requant
