#include "engine/dispatch.h"

#include <algorithm>

namespace requant {

namespace {

struct Taken {
  const SchemeRow* row = nullptr;  // nullptr: no row, or not known which
  Truth found = Truth::kNo;
  std::string unknown;
};

// `method`: of method_schemes, whose rows are asked.
Taken first_match(const std::vector<SchemeRow>& rows, const EngineFacts& facts,
                  std::string_view method = {}) {
  for (const SchemeRow& row : rows) {
    if (row.method != method) continue;
    const Truth truth = row.when.evaluate(facts);
    if (truth == Truth::kYes) return {.row = &row, .found = Truth::kYes, .unknown = {}};
    if (truth == Truth::kUnknown) {
      return {.row = nullptr,
              .found = Truth::kUnknown,
              .unknown = row.when.unknown_reason(facts) + " (" + row.src + ")"};
    }
  }
  return {};
}

Taken not_read() {
  return {.row = nullptr,
          .found = Truth::kUnknown,
          .unknown = "the data do not say which schemes take fused experts"};
}

bool has_rows(const EngineData& engine, std::string_view method) {
  return std::ranges::find(engine.method_schemes, method, &SchemeRow::method) !=
         engine.method_schemes.end();
}

// Kernels compare a group size of -1 where a config says null for "one group for all inputs".
EngineFacts kernel_facts(const EngineFacts& facts) {
  EngineFacts out(&facts);
  const auto group = facts.find("w.group_size");
  if (!group || group->is_null()) out.set("w.group_size", -1);
  return out;
}

Truth any_kernel(const Situation& situation, const EngineFacts& weight_facts) {
  const EngineFacts facts = kernel_facts(weight_facts);
  const double capability = facts.find("dev.cc")->number().value_or(0);
  Truth any = Truth::kNo;
  for (const KernelRow& kernel : situation.engine->kernels) {
    if (situation.engine->capability == 0 && kernel.min_capability > capability) continue;
    Truth usable = Truth::kYes;
    for (const Predicate& reject : kernel.rejects) usable = usable & !reject.evaluate(facts);
    any = any | usable;
  }
  return any;
}

bool lists(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

void set_match(EngineFacts& facts, std::string_view name, const Taken& match) {
  if (match.found == Truth::kUnknown) {
    facts.set("dispatch.unknown", match.unknown);
    return;
  }
  const bool rejected = match.row == nullptr || match.row->scheme.empty();
  facts.set(name, rejected ? FactValue("no_match") : FactValue(match.row->scheme));
  if (match.row != nullptr && !rejected) {
    facts.set("tensors.class", match.row->scheme);
    facts.set("schemes[match].min_capability", match.row->min_capability);
  }
}

}  // namespace

void set_dispatch_facts(EngineFacts& facts, const WeightClass& weights,
                        const Situation& situation) {
  const EngineData& engine = *situation.engine;
  const bool expert = weights.example->place.role == Role::kExpert;
  // What is not asked is not in the way.
  facts.set("schemes[match].min_capability", 0);
  facts.set("dispatch.unknown", "");
  if (situation.method != "compressed-tensors") {
    facts.set("schemes", "not asked");
    facts.set("moe_schemes", "not asked");
    if (has_rows(engine, situation.method)) {
      set_match(facts, "schemes", first_match(engine.method_schemes, facts, situation.method));
    }
    if (const auto name = engine.text_at({"method_tensors", situation.method}); !name.empty()) {
      facts.set("tensors.class", name);
    }
  } else if (weights.group == nullptr) {
    facts.set("schemes", "not asked");  // the rule on targets speaks
    facts.set("moe_schemes", "not asked");
  } else if (expert) {
    facts.set("schemes", "not asked");
    if (engine.moe_schemes.empty() && engine.schemes.empty()) {
      facts.set("moe_schemes", "not asked");  // the library that wrote the dialect takes them
    } else {
      set_match(facts, "moe_schemes",
                engine.moe_schemes.empty() ? not_read() : first_match(engine.moe_schemes, facts));
    }
  } else {
    facts.set("moe_schemes", "not asked");
    set_match(facts, "schemes", first_match(engine.schemes, facts));
  }
  const auto scheme = facts.find("schemes");
  const bool asks_kernels = lists(engine.texts_at({"kernel_methods"}), situation.method) ||
                            (scheme && scheme->text() != nullptr &&
                             lists(engine.texts_at({"kernel_schemes"}), *scheme->text()));
  if (!asks_kernels) {
    facts.set("kernels", "not asked");
    return;
  }
  const Truth any = any_kernel(situation, facts);
  if (any != Truth::kUnknown) facts.set("kernels", any == Truth::kYes ? "match" : "no_match");
}

std::vector<Judgement> judge_dispatch(const EngineFacts& facts, const Situation& situation) {
  std::vector<Judgement> out;
  const std::string& engine = situation.engine->id.engine;
  const auto unknown = facts.find("dispatch.unknown");
  if (unknown && unknown->text() != nullptr && !unknown->text()->empty()) {
    out.push_back({.rule = engine + ".scheme-not-known",
                   .truth = Truth::kUnknown,
                   .where = {},
                   .expected = {},
                   .observed = {},
                   .message = {},
                   .reason = "which of the engine's schemes takes this layer is not known from the "
                             "data",
                   .src = {},
                   .unknown = *unknown->text(),
                   .fixes = {}});
  }
  const auto scheme = facts.find("tensors.class");
  const auto activations = facts.find("act");
  const bool weights_only =
      scheme && scheme->text() != nullptr && scheme->text()->find("A16") != std::string::npos;
  if (weights_only && activations && !activations->is_null()) {
    out.push_back({.rule = engine + ".weights-only",
                   .effect = Effect::kDegrade,
                   .where = {},
                   .expected = {},
                   .observed = *scheme->text(),
                   .message = {},
                   .reason =
                       "this version has no native kernel here: it runs the weights only, and "
                       "the activations stay in 16 bits",
                   .src = situation.engine->text_at({"tensors", *scheme->text(), "src"}),
                   .unknown = {},
                   .fixes = {}});
  }
  return out;
}

}  // namespace requant
