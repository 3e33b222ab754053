// What a finding asked for is no longer found after the repair.

#include "fix/fix.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <set>
#include <sstream>

#include "rule/testing.h"
#include "support/support.h"

namespace requant::testing_support {

namespace {

namespace fs = std::filesystem;

std::set<std::string_view> answered_rules() {
  std::set<std::string_view> rules;
  for (const Repair* repair : repairs()) {
    for (std::size_t at = 0; at < repair->answers.size();) {
      const std::size_t end = std::min(repair->answers.find(' ', at), repair->answers.size());
      rules.insert(repair->answers.substr(at, end - at));
      at = end + 1;
    }
  }
  return rules;
}

std::vector<RuleCase> mended_cases() {
  const auto rules = answered_rules();
  std::vector<RuleCase> out;
  for (const RuleCase& rule_case : rule_cases()) {
    const bool wants = rules.contains(rule_case.rule) || rule_case.rule == "file.index";
    if (wants && !rule_case.options.engine) out.push_back(rule_case);
  }
  return out;
}

bool any_of(const std::vector<Finding>& findings, std::string_view rule) {
  return std::ranges::any_of(findings, [&](const Finding& f) { return f.rule == rule; });
}

std::string text_of(const FixPlan& plan) {
  std::string text;
  for (const Edit& edit : plan.edits) {
    text += edit.file + " " + edit.key + ": " + edit.before + " -> " + edit.after + "\n";
  }
  return text;
}

class Mends : public testing::TestWithParam<RuleCase> {};

TEST_P(Mends, WhatTheRuleAskedFor) {
  const RuleCase& rule_case = GetParam();
  const TemporaryFolder folder;
  Tiny tiny = rule_case.clean();
  rule_case.damage(tiny);
  tiny.write(folder / "damaged");
  const auto plan =
      plan_fix(folder / "damaged", {.nest = rule_case.rule == "config.top-level-only"});
  ASSERT_TRUE(plan) << plan.error().message();
  EXPECT_FALSE(plan->edits.empty());
  ASSERT_TRUE(write_fixed(folder / "damaged", *plan, folder / "fixed"));
  const auto findings = findings_of(folder / "fixed", rule_case.options);
  ASSERT_TRUE(findings) << findings.error().message();
  EXPECT_FALSE(any_of(*findings, rule_case.rule)) << text_of(*plan);
  const auto again =
      plan_fix(folder / "fixed", {.nest = rule_case.rule == "config.top-level-only"});
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_TRUE(again->edits.empty()) << text_of(*again);
}

std::string name_of(const testing::TestParamInfo<RuleCase>& info) {
  std::string name;
  for (const char c : info.param.rule) {
    name += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  }
  return name + "_" + std::to_string(info.index);
}

INSTANTIATE_TEST_SUITE_P(Fix, Mends, testing::ValuesIn(mended_cases()), name_of);

TEST(Fix, EveryRuleThatARepairAnswersIsTried) {
  std::set<std::string> tried;
  for (const RuleCase& rule_case : mended_cases()) tried.insert(rule_case.rule);
  for (const std::string_view rule : answered_rules()) {
    EXPECT_NE(find_rule(rule), nullptr) << rule;
    EXPECT_TRUE(tried.contains(std::string(rule))) << rule;
  }
}

// docs/threads.md: "| 15 | sglang #2935 | ... | `tensor.tied-head-stored`; `fix` |".
TEST(Fix, MendsACaseOfEveryThreadWhoseRowNamesIt) {
  std::set<int> mended;
  for (const RuleCase& rule_case : mended_cases()) {
    mended.insert(rule_case.threads.begin(), rule_case.threads.end());
  }
  std::size_t rows = 0;
  std::istringstream text(read_file(data_dir().parent_path().parent_path() / "docs/threads.md"));
  for (std::string line; std::getline(text, line);) {
    int number = 0;
    if (std::sscanf(line.c_str(), "| %d |", &number) != 1) continue;
    if (line.find("`fix") == std::string::npos) continue;
    ++rows;
    EXPECT_TRUE(mended.contains(number)) << line;
  }
  EXPECT_GE(rows, 9U);
}

Tiny damaged() {
  Tiny tiny = Tiny::llama();
  tiny.config.set("tie_word_embeddings", true);
  return tiny;
}

TEST(Fix, WritesNothingOfTheSourceAndLinksTheWeights) {
  const TemporaryFolder folder;
  damaged().write(folder / "in");
  const std::string before = read_file(folder.path() / "in" / "config.json");
  const auto plan = plan_fix(folder / "in", {});
  ASSERT_TRUE(plan);
  ASSERT_TRUE(write_fixed(folder / "in", *plan, folder / "out"));
  EXPECT_EQ(read_file(folder.path() / "in" / "config.json"), before);
  EXPECT_NE(read_file(folder.path() / "out" / "config.json"), before);
  EXPECT_TRUE(fs::equivalent(folder.path() / "in" / "model.safetensors",
                             folder.path() / "out" / "model.safetensors"));
  EXPECT_FALSE(
      fs::equivalent(folder.path() / "in" / "config.json", folder.path() / "out" / "config.json"));
}

TEST(Fix, InPlaceKeepsWhatItReplaces) {
  const TemporaryFolder folder;
  damaged().write(folder / "in");
  const std::string before = read_file(folder.path() / "in" / "config.json");
  for (const char* backup : {"config.json.orig", "config.json.orig1"}) {
    write_file(folder.path() / "in" / "config.json", before);
    const auto plan = plan_fix(folder / "in", {});
    ASSERT_TRUE(plan);
    ASSERT_TRUE(fix_in_place(folder / "in", *plan));
    EXPECT_EQ(read_file(folder.path() / "in" / backup), before);
    EXPECT_NE(read_file(folder.path() / "in" / "config.json"), before);
  }
}

TEST(Fix, KeepsTheOrderOfKeysAndTheSpellingOfNumbers) {
  const TemporaryFolder folder;
  damaged().write(folder / "in");
  const auto plan = plan_fix(folder / "in", {});
  ASSERT_TRUE(plan);
  std::string expected = read_file(folder.path() / "in" / "config.json");
  const std::string key = "\"tie_word_embeddings\": ";
  expected.replace(expected.find(key + "true"), key.size() + 4, key + "false");
  EXPECT_EQ(plan->files.at("config.json"), expected + "\n");
}

TEST(Fix, NamesWhatNoMetadataMend) {
  const TemporaryFolder folder;
  Tiny tiny = Tiny::llama();
  tiny.files.erase("generation_config.json");
  tiny.write(folder / "in");
  const auto plan = plan_fix(folder / "in", {});
  ASSERT_TRUE(plan);
  EXPECT_TRUE(plan->edits.empty());
  EXPECT_TRUE(any_of(plan->left, "side.no-generation-config"));
}

TEST(Fix, RefusesAFile) {
  const TemporaryFolder folder;
  Tiny::llama().write(folder / "in");
  const auto plan = plan_fix(folder.path() / "in" / "model.safetensors", {});
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code(), ErrorCode::kUsage);
}

}  // namespace
}  // namespace requant::testing_support
