#include "engine/engine_rows.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/json_at.h"
#include "base/text.h"

namespace requant {

namespace {

constexpr auto kEffects = std::to_array<std::pair<std::string_view, Effect>>({
    {"reject", Effect::kReject},
    {"loads-garbage", Effect::kReject},
    {"wrong-values", Effect::kReject},
    {"wrong-values-or-shape-error", Effect::kReject},
    {"wrong-or-reject", Effect::kReject},
    {"reject-unless-plugin", Effect::kRejectUnlessMet},
    {"reject-unless-flag", Effect::kRejectUnlessMet},
    {"reject-unless-package", Effect::kRejectUnlessMet},
    {"needs-key", Effect::kRejectUnlessMet},
    {"fallback", Effect::kRejectUnlessMet},
    {"accept-degraded", Effect::kDegrade},
    {"requantised", Effect::kDegrade},
    {"dequantised", Effect::kDegrade},
    {"needs-package", Effect::kDegrade},
    {"ignored", Effect::kDegrade},
    {"accept", Effect::kAccept},
    {"repacked", Effect::kAccept},
    {"accept-if-dynamic", Effect::kAccept},
    {"kernel-skip", Effect::kAccept},  // the kernels' own rows decide
});

// {"action": "convert", "to": "awq"} as "convert to awq"; empty where there is nothing to do.
std::string fix_text(const Json& fix) {
  const std::string action = text_at(fix, "action");
  if (action == "none") return "";
  if (action == "flag") return "the flag " + text_at(fix, "flag");
  if (action == "engine-version") return "a version of the engine that has it";
  std::string text = action == "edit-config" ? "edit config.json:" : action;
  for (const auto& [key, value] : fix.members()) {
    if (key == "action" || key == "evidence") continue;
    const auto words = value.as_string();
    text += key == "to" ? " to " : key == "value" ? " = " : " ";
    text += words ? std::string(*words) : value.dump();
  }
  return text;
}

Result<Predicate> predicate_of(const Json& row) {
  const Json* when = row.find("when");
  if (when == nullptr) return corrupt("a row without 'when': " + row.dump());
  return Predicate::parse(*when);
}

}  // namespace

int int_of(const Json& json, std::string_view key) {
  const Json* value = json.find(key);
  return value == nullptr ? 0 : static_cast<int>(value->as_int().value_or(0));
}

std::vector<std::string> texts_of(const Json* json) {
  std::vector<std::string> out;
  if (json == nullptr) return out;
  for (const Json& item : json->items()) {
    if (const auto text = item.as_string()) out.emplace_back(*text);
  }
  return out;
}

std::optional<Effect> effect_named(std::string_view verdict) {
  for (const auto& [name, effect] : kEffects) {
    if (name == verdict) return effect;
  }
  return std::nullopt;
}

bool EngineRule::is_for(std::string_view method) const {
  return methods.empty() || std::find(methods.begin(), methods.end(), method) != methods.end();
}

Result<EngineRule> parse_rule(const Json& json) {
  EngineRule rule;
  rule.id = text_at(json, "id");
  rule.stage = text_at(json, "stage");
  rule.verdict = text_at(json, "verdict");
  const auto effect = effect_named(rule.verdict);
  if (!effect) return corrupt("rule " + rule.id + ": unknown verdict '" + rule.verdict + "'");
  rule.effect = *effect;
  if (const Json* method = json.find("method")) {
    rule.methods = texts_of(method);
    if (method->is_string() && *method->as_string() != "*")
      rule.methods = {text_at(json, "method")};
  }
  RQ_TRY_IN(rule.when, predicate_of(json), "rule " + rule.id);
  rule.message = text_at(json, "message");
  rule.reason = text_at(json, "reason");
  if (const Json* fixes = json.find("fix")) {
    for (const Json& fix : fixes->items()) {
      if (std::string text = fix_text(fix); !text.empty()) rule.fixes.push_back(std::move(text));
    }
  }
  return rule;
}

Result<SchemeRow> parse_scheme(const Json& json) {
  SchemeRow row;
  row.method = text_at(json, "method");
  RQ_TRY_IN(row.when, predicate_of(json), "schemes");
  row.scheme = text_at(json, "scheme");
  row.reject = text_at(json, "reject");
  row.min_capability = int_of(json, "min_capability");
  return row;
}

Result<KernelRow> parse_kernel(const Json& json) {
  KernelRow row{.name = text_at(json, "name"),
                .platform = text_at(json, "on"),
                .min_capability = int_of(json, "min_capability"),
                .rejects = {}};
  const Json* rejects = json.find("rejects");
  if (rejects == nullptr) return row;
  for (const Json& reject : rejects->items()) {
    RQ_TRY_IN(Predicate when, predicate_of(reject), "kernel " + row.name);
    row.rejects.push_back(std::move(when));
  }
  return row;
}

Result<Override> parse_override(const Json& json) {
  Override row{.from = text_at(json, "from"), .to = text_at(json, "to"), .when = {}, .src = {}};
  RQ_TRY_IN(row.when, predicate_of(json), "overrides");
  return row;
}

}  // namespace requant
