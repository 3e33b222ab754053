#include <gtest/gtest.h>

#include <algorithm>

#include "report/testing.h"

namespace requant {
namespace {

using testing_support::finding;
using testing_support::rendered;

std::string lines_of(const std::vector<Finding>& findings, std::string source = "f") {
  Inspection inspection;
  inspection.findings = findings;
  return rendered(
      "github", {.source = source, .inspection = &inspection, .check = nullptr, .matrix = nullptr});
}

TEST(Github, WritesOneCommandForEachFinding) {
  Finding missing = finding(Severity::kError, "tensor.missing", "config.json", "is odd");
  missing.repair = "requant fix f";
  EXPECT_EQ(lines_of({missing, finding(Severity::kInfo, "a.b", "", "text")}),
            "::error file=f/config.json,title=tensor.missing::is odd%0Arepair: requant fix f\n"
            "::notice file=f/config.json,title=a.b::text\n");
}

// As GitHub's own toolkit escapes: '%', CR and LF everywhere, ':' and ',' in properties.
TEST(Github, EscapesWhatWouldEndACommand) {
  EXPECT_EQ(lines_of({finding(Severity::kWarning, "r", "", "50%: a,b")}, "a,b:c%"),
            "::warning file=a%2Cb%3Ac%25/config.json,title=r::50%25: a,b\n");
}

TEST(Github, LetsNoNameStartACommandOfItsOwn) {
  const std::string text =
      lines_of({finding(Severity::kError, "r", "x\n::error::evil\r\x1b[2J", "m\n::set-env::")});
  EXPECT_EQ(std::ranges::count(text, '\n'), 1);
  EXPECT_EQ(text.find('\r'), std::string::npos);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_TRUE(text.starts_with("::error file="));
}

TEST(Github, BeginsWithTheVerdict) {
  CheckResult check;
  check.verdict = "no";
  check.engine = "vllm";
  check.version = "0.7.3";
  check.summary = "why";
  EXPECT_EQ(rendered("github",
                     {.source = "f/", .inspection = nullptr, .check = &check, .matrix = nullptr}),
            "::error file=f/config.json,title=vllm 0.7.3::vllm 0.7.3: no: why\n");
}

}  // namespace
}  // namespace requant
