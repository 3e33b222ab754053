#include <algorithm>
#include <string>

#include "base/text.h"
#include "report/html_parts.h"
#include "report/subject.h"

namespace requant {
namespace {

constexpr std::size_t kMostFindings = 200;
// What an engine prints may hold the names of all its methods.
constexpr std::size_t kLongestEdit = 300;

void add_detail(std::string_view label, const std::string& value, HtmlWriter& out) {
  if (!value.empty()) out.add("<dt>{}</dt><dd>{}</dd>", label, value);
}

void add_finding(const Finding& finding, HtmlWriter& out) {
  out.add(
      "<li class=\"finding {}\"><span class=\"badge\">{}</span><span class=\"rule\">{}</span>\n",
      name_of(finding.severity), name_of(finding.severity), finding.rule);
  if (!finding.where.empty()) out.add("<p><span class=\"name\">{}</span></p>\n", finding.where);
  out.add("<p>{}</p>\n", finding.message);
  const bool has_details = !finding.expected.empty() || !finding.observed.empty() ||
                           !finding.evidence.empty() || !finding.why.empty();
  if (has_details) {
    out.add("<dl class=\"details\">");
    add_detail("expected", finding.expected, out);
    add_detail("observed", finding.observed, out);
    add_detail("evidence", finding.evidence, out);
    add_detail("why", finding.why, out);
    out.add("</dl>\n");
  }
  if (!finding.repair.empty()) {
    out.add("<div class=\"repair\"><p class=\"soft\">What helps</p><pre>{}</pre></div>\n",
            finding.repair);
  }
  out.add("</li>\n");
}

void add_edits(const ReportSubject& subject, HtmlWriter& out) {
  if (subject.check == nullptr) return;
  if (std::ranges::none_of(subject.check->findings, is_edit)) return;
  out.add("<h3>What editing by hand would do</h3>\n<ul class=\"edits\">\n");
  for (const Finding& finding : subject.check->findings) {
    if (!is_edit(finding)) continue;
    out.add("<li>{}{}{}</li>\n", finding.message, finding.why.empty() ? "" : ": ",
            printable(finding.why, kLongestEdit));
  }
  out.add("</ul>\n");
}

}  // namespace

Html finding_section(const ReportSubject& subject) {
  const std::vector<Finding> findings = findings_of(subject);
  HtmlWriter out;
  out.add("<section aria-labelledby=\"findings\">\n<h2 id=\"findings\">Findings</h2>\n");
  if (findings.empty()) out.add("<p class=\"soft\">None.</p>\n");
  if (!findings.empty()) out.add("<ul class=\"findings\">\n");
  const std::size_t shown = std::min(findings.size(), kMostFindings);
  for (std::size_t i = 0; i < shown; ++i) add_finding(findings[i], out);
  if (!findings.empty()) out.add("</ul>\n");
  if (shown < findings.size()) {
    out.add("<p class=\"soft\">and {} more (--json has them all)</p>\n", findings.size() - shown);
  }
  add_edits(subject, out);
  out.add("</section>\n");
  return std::move(out).take();
}

}  // namespace requant
