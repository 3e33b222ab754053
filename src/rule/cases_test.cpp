// Each rule speaks on a checkpoint with its damage and is silent on the same checkpoint without.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "rule/testing.h"
#include "support/support.h"

namespace requant::testing_support {

namespace {

std::string text_of(const std::vector<Finding>& findings) {
  std::string text;
  for (const Finding& finding : findings) {
    text += finding.rule + ": " + finding.where + ": " + finding.message + "\n";
  }
  return text;
}

bool speaks(const std::vector<Finding>& findings, const RuleCase& rule_case) {
  return std::ranges::any_of(findings, [&](const Finding& finding) {
    return finding.rule == rule_case.rule &&
           (finding.where + " " + finding.message).find(rule_case.says) != std::string::npos;
  });
}

class Threads : public testing::TestWithParam<RuleCase> {};

TEST_P(Threads, SpeaksOfTheDamageOnly) {
  const RuleCase& rule_case = GetParam();
  const Rule* rule = find_rule(rule_case.rule);
  ASSERT_NE(rule, nullptr);
  const TemporaryFolder folder;
  Tiny tiny = rule_case.clean();
  tiny.write(folder / "clean");
  const auto clean = findings_of(folder.path() / "clean" / rule_case.opens, rule_case.options);
  ASSERT_TRUE(clean) << clean.error().message();
  EXPECT_FALSE(std::ranges::any_of(*clean, [&](const Finding& f) { return f.rule == rule->id; }))
      << text_of(*clean);

  rule_case.damage(tiny);
  tiny.write(folder / "damaged");
  const auto damaged = findings_of(folder.path() / "damaged" / rule_case.opens, rule_case.options);
  if (rule->stops) {
    ASSERT_FALSE(damaged);
    ASSERT_FALSE(rule_case.says.empty());
    EXPECT_NE(damaged.error().message().find(rule_case.says), std::string::npos)
        << damaged.error().message();
    return;
  }
  ASSERT_TRUE(damaged) << damaged.error().message();
  EXPECT_TRUE(speaks(*damaged, rule_case)) << text_of(*damaged);
  for (const Finding& finding : *damaged) {
    const Rule* row = find_rule(finding.rule);
    ASSERT_NE(row, nullptr) << finding.rule << " is in no row of the catalogue";
    EXPECT_LE(finding.severity, row->severity) << finding.rule;
  }
}

std::string name_of(const testing::TestParamInfo<RuleCase>& info) {
  std::string name;
  for (const int thread : info.param.threads) name += "T" + std::to_string(thread) + "_";
  for (const char c : info.param.rule) {
    name += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  }
  return name + "_" + std::to_string(info.index);
}

INSTANTIATE_TEST_SUITE_P(Rules, Threads, testing::ValuesIn(rule_cases()), name_of);

TEST(Catalogue, EveryRuleHasACaseAndEveryCaseARule) {
  std::set<std::string_view> tried;
  const auto cases = rule_cases();
  for (const RuleCase& rule_case : cases) {
    tried.insert(rule_case.rule);
    EXPECT_NE(find_rule(rule_case.rule), nullptr) << rule_case.rule;
  }
  for (const RuleFamily* family : rule_families()) {
    for (const Rule& rule : family->rules) {
      EXPECT_TRUE(tried.contains(rule.id)) << rule.id << " has no case";
    }
  }
}

TEST(Catalogue, EveryRowSaysWhatIsWrongAndWhy) {
  std::set<std::string_view> ids;
  for (const RuleFamily* family : rule_families()) {
    for (const Rule& rule : family->rules) {
      EXPECT_TRUE(ids.insert(rule.id).second) << rule.id << " is there twice";
      EXPECT_FALSE(rule.text.empty()) << rule.id;
      EXPECT_FALSE(rule.why.empty()) << rule.id;
      EXPECT_TRUE(rule.text.ends_with('.')) << rule.id;
      EXPECT_FALSE(rule.why.ends_with('.')) << rule.id;
      EXPECT_TRUE(rule.look != nullptr || rule.depth == Depth::kHeaders) << rule.id;
    }
  }
}

// The words in `ticks` of a line.
std::vector<std::string> ticked(const std::string& line) {
  std::vector<std::string> words;
  for (std::size_t at = line.find('`'); at != std::string::npos;) {
    const std::size_t end = line.find('`', at + 1);
    if (end == std::string::npos) break;
    words.push_back(line.substr(at + 1, end - at - 1));
    at = line.find('`', end + 1);
  }
  return words;
}

// docs/threads.md: a row a thread, "| 16 | vllm #45212 | ... | `scales.zero` ... |".
std::map<int, std::string> rows_of_threads() {
  std::map<int, std::string> rows;
  std::istringstream text(read_file(data_dir().parent_path().parent_path() / "docs/threads.md"));
  for (std::string line; std::getline(text, line);) {
    int number = 0;
    if (std::sscanf(line.c_str(), "| %d |", &number) == 1) rows[number] = line;
  }
  return rows;
}

// "# thread 16: ..." in tests/cli/threads.txt: what the commands after it show.
std::set<int> shown_by_commands() {
  std::set<int> threads;
  std::istringstream text(read_file(data_dir().parent_path() / "cli/threads.txt"));
  for (std::string line; std::getline(text, line);) {
    int number = 0;
    if (std::sscanf(line.c_str(), "# thread %d", &number) == 1) threads.insert(number);
  }
  return threads;
}

TEST(Catalogue, TheTableOfThreadsNamesTheCases) {
  auto rows = rows_of_threads();
  EXPECT_EQ(rows.size(), 55U);
  for (const RuleCase& rule_case : rule_cases()) {
    for (const int thread : rule_case.threads) {
      EXPECT_NE(rows[thread].find("`" + rule_case.rule + "`"), std::string::npos)
          << rule_case.rule << " is not in the row of thread " << thread;
    }
  }
}

TEST(Catalogue, EveryRowOfThreadsHasItsTests) {
  std::set<std::pair<std::string, int>> tried;
  for (const RuleCase& rule_case : rule_cases()) {
    for (const int thread : rule_case.threads) tried.emplace(rule_case.rule, thread);
  }
  const std::set<int> shown = shown_by_commands();
  const std::string by_commands = "shown: ";
  for (const auto& [number, row] : rows_of_threads()) {
    std::size_t tests = shown.contains(number) ? 1 : 0;
    EXPECT_EQ(row.find(by_commands) != std::string::npos, tests == 1) << "thread " << number;
    for (const std::string& word : ticked(row)) {
      if (find_rule(word) == nullptr) continue;
      EXPECT_TRUE(tried.contains({word, number})) << word << " has no case of thread " << number;
      ++tests;
    }
    EXPECT_GT(tests, 0U) << "thread " << number;
  }
}

// Its second table: "| scales | missing | `scales.incomplete-experts` ... |".
TEST(Catalogue, EveryFaultOfTheTableHasARule) {
  std::size_t faults = 0;
  std::istringstream text(read_file(data_dir().parent_path().parent_path() / "docs/threads.md"));
  bool is_there = false;
  for (std::string line; std::getline(text, line);) {
    is_there = is_there || line == "## Faults and their rules";
    if (!is_there || !line.starts_with("| ") || line.starts_with("| family")) continue;
    ++faults;
    const auto words = ticked(line);
    EXPECT_FALSE(words.empty()) << line;
    for (const std::string& word : words) EXPECT_NE(find_rule(word), nullptr) << line;
  }
  EXPECT_GE(faults, 40U);
}

}  // namespace
}  // namespace requant::testing_support
