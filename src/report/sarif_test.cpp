#include <gtest/gtest.h>

#include "base/json.h"
#include "report/testing.h"

namespace requant {
namespace {

using testing_support::finding;
using testing_support::rendered;

Json run_of(const ReportSubject& subject) {
  const auto log = parse_json(rendered("sarif", subject));
  EXPECT_TRUE(log);
  EXPECT_EQ(log->find("version")->as_string(), "2.1.0");
  return log->find("runs")->items().at(0);
}

TEST(Sarif, PlacesAFindingInItsFileAndNamesTheTensor) {
  Inspection inspection;
  inspection.weight_files = {{"model.safetensors", 10}};
  inspection.findings = {
      finding(Severity::kError, "tensor.missing", "a.b.weight", "is not there"),
      finding(Severity::kWarning, "config.x", "config.json: text_config", "is odd"),
      finding(Severity::kInfo, "tensor.missing", "", "in general")};
  const Json run = run_of(
      {.source = "some folder/x", .inspection = &inspection, .check = nullptr, .matrix = nullptr});
  const auto& results = run.find("results")->items();
  ASSERT_EQ(results.size(), 3u);
  const auto uri = [](const Json& result) {
    const Json& location = result.find("locations")->items().at(0);
    return std::string(*location.at({"physicalLocation", "artifactLocation", "uri"})->as_string());
  };
  EXPECT_EQ(uri(results[0]), "some%20folder/x/model.safetensors");
  EXPECT_EQ(uri(results[1]), "some%20folder/x/config.json");
  EXPECT_EQ(uri(results[2]), "some%20folder/x/config.json");
  EXPECT_EQ(results[0].find("level")->as_string(), "error");
  EXPECT_EQ(results[1].find("level")->as_string(), "warning");
  EXPECT_EQ(results[2].find("level")->as_string(), "note");
  const Json& location = results[0].find("locations")->items().at(0);
  EXPECT_EQ(
      location.find("logicalLocations")->items().at(0).find("fullyQualifiedName")->as_string(),
      "a.b.weight");
}

TEST(Sarif, ListsEachRuleOnceAndPointsToIt) {
  Inspection inspection;
  inspection.findings = {finding(Severity::kError, "x.b", "", "1"),
                         finding(Severity::kError, "x.a", "", "2"),
                         finding(Severity::kError, "x.b", "", "3")};
  const Json run =
      run_of({.source = "f", .inspection = &inspection, .check = nullptr, .matrix = nullptr});
  const auto& rules = run.at({"tool", "driver", "rules"})->items();
  ASSERT_EQ(rules.size(), 2u);
  for (const Json& result : run.find("results")->items()) {
    const auto index = static_cast<std::size_t>(*result.find("ruleIndex")->as_int());
    EXPECT_EQ(rules.at(index).find("id")->as_string(), result.find("ruleId")->as_string());
  }
}

TEST(Sarif, SaysTheVerdict) {
  CheckResult check;
  check.engine = "vllm";
  check.version = "0.7.3";
  check.summary = "it does not load it";
  for (const auto& [verdict, level] :
       {std::pair("no", "error"), std::pair("unknown", "warning"), std::pair("yes", "")}) {
    check.verdict = verdict;
    const Json run =
        run_of({.source = "f", .inspection = nullptr, .check = &check, .matrix = nullptr});
    EXPECT_EQ(run.at({"properties", "verdict"})->as_string(), verdict);
    const auto& results = run.find("results")->items();
    ASSERT_EQ(results.size(), *level == '\0' ? 0u : 1u);
    for (const Json& result : results) EXPECT_EQ(result.find("level")->as_string(), level);
  }
}

TEST(Sarif, LeavesOutWhatEditingByHandWouldDo) {
  CheckResult check;
  check.verdict = "yes";
  check.findings = {finding(Severity::kInfo, "edit.hoist", "", "does not help")};
  const Json run =
      run_of({.source = "f", .inspection = nullptr, .check = &check, .matrix = nullptr});
  EXPECT_TRUE(run.find("results")->items().empty());
}

}  // namespace
}  // namespace requant
