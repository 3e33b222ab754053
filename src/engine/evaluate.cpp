#include "engine/evaluate.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/text.h"
#include "engine/dispatch.h"
#include "engine/tensor_names.h"

namespace requant {

namespace {

bool rejects(Effect effect) {
  return effect == Effect::kReject || effect == Effect::kRejectUnlessMet;
}

std::string name_of_class(const WeightClass& weights) {
  if (weights.count == 1) return weights.example->module;
  return weights.example->module + " and " + grouped(weights.count - 1) + " more";
}

// What a predicate's field names in a message: {bits} is cfg.bits or the weight's own.
std::optional<FactValue> named(std::string_view name, const EngineFacts& facts) {
  static const std::map<std::string, std::string, std::less<>> kAliases = {
      {"list", "registry"},
      {"quant", "method"},
      {"quant_method", "method"},
      {"%s", "method"},
      {"architectures", "model.arch"},
      {"arch", "model.arch"},
      {"all", "architectures.names"},
      {"min", "methods[method].min_capability"},
      {"cc", "dev.cc"},
      {"dtype", "act_dtype"},
      {"supported", "methods[method].act_dtypes"},
      {"key", "methods[method].missing_keys"},
      {"keys", "methods[method].missing_keys"},
      {"algos", "methods[method].quant_algos"},
      {"device", "dev.platform"},
      {"activation_scheme", "cfg.activation_scheme"},
      {"bits", "cfg.bits"},
      {"sym", "cfg.sym"},
      {"n", "w.out_part"},
      {"k", "w.in_part"},
      {"block_n", "w.block[0]"},
      {"block_k", "w.block[1]"},
  };
  const auto alias = kAliases.find(name);
  if (alias != kAliases.end()) return facts.find(alias->second);
  for (const std::string_view prefix : {"", "cfg.", "kv.", "w."}) {
    auto value = facts.find(std::string(prefix) + std::string(name));
    if (value && !value->is_null()) return value;
  }
  return std::nullopt;
}

class Evaluation {
 public:
  explicit Evaluation(const Situation& situation) : situation_(situation) {}

  std::vector<Judgement> run() {
    judge_container();
    judge_unread_blocks();
    for (const EngineRule& rule : situation_.engine->rules) {
      if (!rule.when.about_a_weight()) judge(rule, situation_.facts, where_of(rule));
    }
    if (!in_registry()) {  // the engine gets no further
      judge_unknown_method();
      return std::move(out_);
    }
    judge_weights();
    for (Judgement& judgement : judge_tensor_names(situation_)) add(std::move(judgement));
    return std::move(out_);
  }

 private:
  bool in_registry() const {
    if (situation_.method.empty()) return true;
    const auto registry = situation_.facts.find("registry");
    const auto* names = registry ? registry->list() : nullptr;
    return names != nullptr &&
           std::find(names->begin(), names->end(), FactValue(situation_.method)) != names->end();
  }

  // Engines whose rules do not say it themselves.
  void judge_unknown_method() {
    const bool told = std::any_of(out_.begin(), out_.end(), [](const Judgement& judgement) {
      return rejects(judgement.effect) && judgement.truth == Truth::kYes;
    });
    if (told) return;
    add({.rule = situation_.engine->id.engine + ".method-not-known",
         .where = "config.json" +
                  (situation_.block.block == nullptr ? "" : ": " + situation_.block.path),
         .expected = join(situation_.engine->texts_at({"registry", "methods"}), ", "),
         .observed = situation_.declared,
         .message = {},
         .reason = "this version has no quantisation method of that name",
         .src = situation_.engine->text_at({"registry", "src"}),
         .unknown = {},
         .fixes = {}});
  }

  void judge_container() {
    const auto known = situation_.engine->texts_at({"containers"});
    const std::string& container = situation_.subject->container;
    if (container.empty() || std::find(known.begin(), known.end(), container) != known.end())
      return;
    add({.rule = "container",
         .where = "the weight files",
         .expected = join(known, " or "),
         .observed = container,
         .message = {},
         .reason = "this engine does not read " + container + " files",
         .src = {},
         .unknown = {},
         .fixes = {}});
  }

  // Without the block the model is built unquantised, which is wrong as soon as anything is
  // quantised.
  void judge_unread_blocks() {
    if (situation_.subject->weights.empty()) return;
    for (const BlockPlace& place : situation_.unread) {
      const Json* method = place.block->find("quant_method");
      const std::string name(method == nullptr ? "" : method->as_string().value_or(""));
      add({.rule = "config.nested-quantization",
           .where = "config.json: " + place.path,
           .expected = "quantization_config at the top level of config.json",
           .observed = "a block for " + in_quotes(name) + " at " + place.path + " only",
           .message = {},
           .reason = "this version looks at the top level only, does not see the block, and builds "
                     "the model unquantised",
           .src = situation_.engine->text_at({"config_blocks", "src"}),
           .unknown = {},
           .fixes = {}});
    }
  }

  void judge_weights() {
    for (const WeightClass& weights : situation_.classes) {
      if (situation_.method.empty() || weights.ignored == Truth::kYes) continue;
      EngineFacts facts = facts_of(weights, situation_);
      set_dispatch_facts(facts, weights, situation_);
      for (const EngineRule& rule : situation_.engine->rules) {
        if (rule.when.about_a_weight()) judge(rule, facts, name_of_class(weights));
      }
      for (Judgement& judgement : judge_dispatch(facts, situation_)) {
        judgement.where = name_of_class(weights);
        add(std::move(judgement));
      }
    }
  }

  void judge(const EngineRule& rule, const EngineFacts& facts, const std::string& where) {
    if (!rule.is_for(situation_.method)) return;
    const Truth truth = rule.when.evaluate(facts);
    if (truth == Truth::kNo || (truth == Truth::kUnknown && !rejects(rule.effect))) return;
    if (rule.effect == Effect::kAccept) return;
    std::vector<std::string> fixes = rule.fixes;
    for (std::string& fix : fixes) fix = fill_in(fix, facts);
    add({.rule = rule.id,
         .effect = rule.effect,
         .truth = truth,
         .where = where,
         .expected = {},
         .observed = observed_of(rule, facts),
         .message = fill_in(rule.message, facts),
         .reason = rule.reason,
         .src = rule.src,
         .unknown = rule.when.unknown_reason(facts),
         .fixes = std::move(fixes)});
  }

  std::string where_of(const EngineRule& rule) const {
    if (rule.stage == "arch") return "config.json: architectures";
    return "config.json" + (situation_.block.block == nullptr ? "" : ": " + situation_.block.path);
  }

  std::string observed_of(const EngineRule& rule, const EngineFacts& facts) const {
    if (rule.stage == "arch") return to_text(*facts.find("model.arch"));
    if (rule.stage == "detect" && rule.methods.empty()) {
      return "quant_method " + in_quotes(situation_.declared);
    }
    if (situation_.uncovered.empty() || rule.when.about_a_weight()) return "";
    return situation_.uncovered.front()->module + " and " +
           grouped(situation_.uncovered.size() - 1) + " more are dense";
  }

  // The same rule over another class of weights adds nothing but its name.
  void add(Judgement judgement) {
    for (Judgement& known : out_) {
      if (known.rule == judgement.rule && known.message == judgement.message &&
          known.reason == judgement.reason) {
        known.truth = known.truth | judgement.truth;
        return;
      }
    }
    out_.push_back(std::move(judgement));
  }

  const Situation& situation_;
  std::vector<Judgement> out_;
};

}  // namespace

std::string fill_in(std::string_view text, const EngineFacts& facts) {
  std::string out;
  while (!text.empty()) {
    const bool percent = text.starts_with("%s");
    const auto end = percent ? 1 : text.front() == '{' ? text.find('}') : std::string_view::npos;
    if (end == std::string_view::npos) {
      out += text.front();
      text.remove_prefix(1);
      continue;
    }
    const std::string_view name = percent ? text.substr(0, 2) : text.substr(1, end - 1);
    const auto value = named(name, facts);
    out += value ? to_text(*value) : std::string(text.substr(0, end + 1));
    text.remove_prefix(end + 1);
  }
  return out;
}

std::vector<Judgement> evaluate(const Situation& situation) { return Evaluation(situation).run(); }

Verdict verdict_of(const std::vector<Judgement>& judgements) {
  Verdict verdict = Verdict::kYes;
  for (const Judgement& judgement : judgements) {
    if (!rejects(judgement.effect)) continue;
    if (judgement.truth == Truth::kYes) return Verdict::kNo;
    verdict = Verdict::kUnknown;
  }
  return verdict;
}

}  // namespace requant
