// Checkpoints that real engines load and run have no error, with every byte read.

#include <gtest/gtest.h>

#include "rule/testing.h"
#include "support/support.h"

namespace requant::testing_support {
namespace {

TEST(FalseAlarms, NoErrorInWhatRealEnginesRun) {
  const auto served = parse_json(read_file(data_dir() / "corpus/served.json"));
  ASSERT_TRUE(served) << served.error().message();
  int looked_at = 0;
  for (const auto& [name, engines] : served->members()) {
    const auto folder = corpus_folder(name);
    if (folder.empty()) continue;
    ++looked_at;
    const auto findings = findings_of(folder, {.depth = Depth::kCodes});
    ASSERT_TRUE(findings) << findings.error().message();
    for (const Finding& finding : *findings) {
      EXPECT_NE(finding.severity, Severity::kError)
          << name << ", which " << engines.dump() << " run: " << finding.rule << ": "
          << finding.where << ": " << finding.message;
    }
  }
  EXPECT_GE(looked_at, 3);
}

TEST(FalseAlarms, EveryFindingOfTheCorpusIsInTheCatalogue) {
  for (const auto& folder : corpus_folders()) {
    const auto findings = findings_of(folder);
    ASSERT_TRUE(findings) << findings.error().message();
    for (const Finding& finding : *findings) {
      const Rule* rule = find_rule(finding.rule);
      ASSERT_NE(rule, nullptr) << finding.rule;
      EXPECT_LE(finding.severity, rule->severity) << finding.rule;
    }
  }
}

}  // namespace
}  // namespace requant::testing_support
