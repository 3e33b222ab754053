#include <gtest/gtest.h>

#include <algorithm>

#include "report/html_parts.h"
#include "report/testing.h"

namespace requant {
namespace {

using testing_support::finding;
using testing_support::group;
using testing_support::rendered;

constexpr const char* kEvil = "</style><script>alert(1)</script>\"' onload=x<img src=//evil>";

Inspection evil_inspection() {
  Inspection inspection;
  inspection.path = kEvil;
  inspection.container = inspection.dialect = inspection.dialect_long_name = kEvil;
  inspection.architecture = inspection.writer = inspection.writer_version = kEvil;
  inspection.evidence = inspection.writer_evidence = inspection.side_files = {kEvil};
  inspection.claims = {{kEvil, kEvil, kEvil}};
  const std::string evil(kEvil);
  inspection.groups = {group({"m.layers.0." + evil, evil}, evil, true),
                       group({evil + ".weight"}, evil, false)};
  inspection.groups[0].activations = kEvil;
  inspection.parameters = inspection.quantised_weights = 1;
  Finding found = finding(Severity::kError, kEvil, kEvil, kEvil);
  found.expected = found.observed = found.evidence = found.why = found.repair = kEvil;
  inspection.findings = {found};
  return inspection;
}

TEST(HtmlReport, EscapesEveryTextOfACheckpoint) {
  const Inspection inspection = evil_inspection();
  CheckResult check;
  check.verdict = check.engine = check.version = check.method = check.summary = kEvil;
  check.findings = inspection.findings;
  check.findings.push_back(finding(Severity::kInfo, "edit.x", "", kEvil));
  check.findings.back().why = kEvil;
  for (const CheckResult* checked :
       {static_cast<const CheckResult*>(nullptr), &std::as_const(check)}) {
    const std::string page = rendered(
        "html", {.source = kEvil, .inspection = &inspection, .check = checked, .matrix = nullptr});
    for (const char* part : {"<script", "<img", "\" onload", "' onload", "\"' "}) {
      EXPECT_EQ(page.find(part), std::string::npos) << part;
    }
    const std::size_t end = page.find("</style>");
    EXPECT_EQ(page.find("</style>", end + 1), std::string::npos);
    EXPECT_NE(page.find("&lt;script&gt;alert(1)"), std::string::npos);
  }
}

TEST(HtmlReport, NeedsNothingFromElsewhere) {
  Inspection inspection;
  inspection.groups = {group({"m.layers.0.up"}, "int4", true)};
  const std::string page = rendered(
      "html", {.source = "f", .inspection = &inspection, .check = nullptr, .matrix = nullptr});
  for (const char* part : {"http://", "https://", "src=", "@import", "url(", "<script"}) {
    EXPECT_EQ(page.find(part), std::string::npos) << part;
  }
  EXPECT_NE(page.find("default-src 'none'"), std::string::npos);
}

TEST(HtmlReport, PutsTheVerdictFirst) {
  Inspection inspection;
  inspection.groups = {group({"m.layers.0.up"}, "int4", true)};
  CheckResult check;
  check.verdict = "no";
  check.summary = "because";
  const std::string page = rendered(
      "html", {.source = "f", .inspection = &inspection, .check = &check, .matrix = nullptr});
  const std::size_t verdict = page.find("<strong>No</strong><p>because</p>");
  ASSERT_NE(verdict, std::string::npos);
  EXPECT_LT(verdict, page.find("Findings"));
  EXPECT_LT(page.find("Findings"), page.find("Layer by layer"));
}

TEST(HtmlReport, ShowsWhereItRuns) {
  Inspection inspection;
  CheckMatrix matrix;
  matrix.spans = {{"vllm", "0.6.6", "0.8.0", "no", kEvil},
                  {"vllm", "0.9.0", "0.33.0", "yes", ""},
                  {"sglang", "0.4.0", "0.5.0", "unknown", "why"}};
  const std::string page = rendered(
      "html", {.source = "f", .inspection = &inspection, .check = nullptr, .matrix = &matrix});
  EXPECT_NE(page.find("<strong>Runs on 1 of 2 engines</strong><p>In the newest known version: vllm "
                      "0.33.0.</p>"),
            std::string::npos);
  EXPECT_NE(page.find("0.6.6 to 0.8.0"), std::string::npos);
  EXPECT_NE(page.find("<span class=\"v-unknown\">unknown</span>"), std::string::npos);
  EXPECT_EQ(page.find("<script"), std::string::npos);
}

TEST(HtmlReport, HidesTheQueryOfAnAddress) {
  Inspection inspection;
  const std::string page = rendered("html", {.source = "https://host/x/?sig=SECRET",
                                             .inspection = &inspection,
                                             .check = nullptr,
                                             .matrix = nullptr});
  EXPECT_EQ(page.find("SECRET"), std::string::npos);
}

TEST(HtmlWriter, FillsMarkupIntoMarkupAndTextAsText) {
  EXPECT_EQ(html("<p>{}{}</p>", Html{"<b>"}, "<i>&\"'").text,
            "<p><b>&lt;i&gt;&amp;&quot;&#39;</p>");
  EXPECT_EQ(html("{:.2f} {}", 1.5, "{}").text, "1.50 {}");
  EXPECT_EQ(escaped_html(std::string("a\0b\x1b", 4)), "a\\x00b\\x1b");
}

}  // namespace
}  // namespace requant
