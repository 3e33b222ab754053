// The survey's own evaluator (Python) over its canonical checkpoints, once written down in
// tests/data/engines/reference.json, against this one.
#include <gtest/gtest.h>

#include <set>

#include "engine/dispatch.h"
#include "engine/engine_data.h"
#include "support/support.h"

namespace requant {
namespace {

// Their conditions have a guard more than the survey's (data/engines/additions).
const std::set<std::string, std::less<>> kGuarded = {"vllm.fp8.block-2d", "vllm.fp8.block-n",
                                                     "vllm.fp8.block-tp-k", "vllm.gptq.group-align",
                                                     "vllm.ct.wna16.no-group"};

std::string_view word(Truth truth) {
  return truth == Truth::kYes ? "yes" : truth == Truth::kNo ? "no" : "unknown";
}

const Json& reference() {
  static const Json json = [] {
    const auto text =
        testing_support::read_file(testing_support::data_dir() / "engines/reference.json");
    return *parse_json(text);
  }();
  return json;
}

EngineFacts facts_of_case(const Json& one) {
  EngineFacts facts;
  // The survey's evaluator takes these for absent where they are not stated.
  for (const char* name : {"w", "act", "out", "kv"}) facts.set(name, {});
  for (const auto& [name, value] : one.find("facts")->members()) facts.set(name, value_of(value));
  return facts;
}

std::shared_ptr<const EngineData> engine_of(const Json& one) {
  const std::string name(*one.find("engine")->as_string());
  const auto dash = name.rfind('-');
  const auto engine =
      load_engine({.engine = name.substr(0, dash), .version = name.substr(dash + 1)});
  EXPECT_TRUE(engine) << name;
  return *engine;
}

TEST(Reference, AgreesOnEveryRuleAndCanonicalCheckpoint) {
  int compared = 0;
  for (const Json& one : reference().find("cases")->items()) {
    const auto engine = engine_of(one);
    const EngineFacts facts = facts_of_case(one);
    for (const EngineRule& rule : engine->rules) {
      const Json* expected = one.at({"rules", rule.id});
      if (expected == nullptr || kGuarded.contains(rule.id)) continue;
      EXPECT_EQ(word(rule.when.evaluate(facts)), *expected->as_string())
          << rule.id << " on " << one.find("name")->dump();
      ++compared;
    }
  }
  EXPECT_GT(compared, 2000);
}

TEST(Reference, TakesTheSameSchemeForEveryCanonicalCheckpoint) {
  int compared = 0;
  for (const Json& one : reference().find("cases")->items()) {
    const Json* expected = one.find("scheme");
    if (!expected->is_string()) continue;
    const auto engine = engine_of(one);
    const EngineFacts facts = facts_of_case(one);
    std::string taken = "no_match";
    for (const SchemeRow& row : engine->schemes) {
      const Truth truth = row.when.evaluate(facts);
      if (truth == Truth::kNo) continue;
      taken = truth == Truth::kUnknown ? "unknown" : row.scheme.empty() ? "no_match" : row.scheme;
      break;
    }
    EXPECT_EQ(taken, *expected->as_string()) << one.find("name")->dump();
    ++compared;
  }
  EXPECT_EQ(compared, 34);
}

// Forgetting a fact may turn an answer into "unknown"; it never turns a no into a yes or back.
TEST(Reference, NeverTurnsNoIntoYesWhenAFactIsForgotten) {
  for (const Json& one : reference().find("cases")->items()) {
    const auto engine = engine_of(one);
    const EngineFacts all = facts_of_case(one);
    for (const auto& [forgotten, value] : one.find("facts")->members()) {
      // An absent config key or absent activations are known to be absent.
      if (!forgotten.starts_with("w.") && !forgotten.starts_with("dev.")) continue;
      EngineFacts fewer;
      for (const auto& [name, kept] : one.find("facts")->members()) {
        if (name != forgotten) fewer.set(name, value_of(kept));
      }
      for (const EngineRule& rule : engine->rules) {
        const Truth before = rule.when.evaluate(all);
        const Truth after = rule.when.evaluate(fewer);
        EXPECT_TRUE(after == before || after == Truth::kUnknown || before == Truth::kUnknown)
            << rule.id << " without " << forgotten;
        EXPECT_TRUE(before != Truth::kUnknown || after == Truth::kUnknown) << rule.id;
      }
    }
  }
}

}  // namespace
}  // namespace requant
