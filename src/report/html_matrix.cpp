#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "report/html_parts.h"

namespace requant {
namespace {

std::string range_of(const EngineSpan& span) {
  return span.since == span.until ? span.since : span.since + " to " + span.until;
}

void add_spans(const std::vector<EngineSpan>& spans, HtmlWriter& out) {
  out.add(
      "<div class=\"card\"><table class=\"kinds\">\n<thead><tr><th scope=\"col\">engine</th><th "
      "scope=\"col\">versions</th><th scope=\"col\">loads and runs it</th><th "
      "scope=\"col\">why not</th></tr></thead>\n<tbody>\n");
  std::string engine;
  for (const EngineSpan& span : spans) {
    // A name at its first row only, but with each row for those who hear the page.
    out.add(
        "<tr{}><td><span class=\"{}\">{}</span></td><td class=\"tight\">{}</td><td "
        "class=\"tight\"><span "
        "class=\"v-{}\">{}</span></td><td>{}</td></tr>\n",
        Html{span.engine == engine ? "" : " class=\"first\""},
        span.engine == engine ? "again" : "engine", span.engine, range_of(span), span.verdict,
        span.verdict, span.reason);
    engine = span.engine;
  }
  out.add("</tbody></table></div>\n");
}

std::string list_of(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

void add_matrix_verdict(const CheckMatrix& matrix, HtmlWriter& out) {
  std::set<std::string> all;
  std::set<std::string> somewhere;
  std::vector<std::string> newest;
  bool doubt = false;
  for (std::size_t i = 0; i < matrix.spans.size(); ++i) {
    const EngineSpan& span = matrix.spans[i];
    const bool is_newest =
        i + 1 == matrix.spans.size() || matrix.spans[i + 1].engine != span.engine;
    all.insert(span.engine);
    doubt = doubt || span.verdict == "unknown";
    if (span.verdict != "yes") continue;
    somewhere.insert(span.engine);
    if (is_newest) newest.push_back(span.engine + " " + span.until);
  }
  const std::string_view state = !somewhere.empty() ? "yes" : doubt ? "unknown" : "no";
  const std::string where = newest.empty()
                                ? std::string("In the newest known version of none of them.")
                                : "In the newest known version: " + list_of(newest) + ".";
  out.add("<div class=\"verdict {}\"><strong>Runs on {} of {} engines</strong><p>{}</p></div>\n",
          state, somewhere.size(), all.size(), where);
}

Html engine_section(const ReportSubject& subject) {
  HtmlWriter out;
  if (subject.matrix != nullptr && !subject.matrix->spans.empty()) {
    out.add("<section aria-labelledby=\"engines\">\n<h2 id=\"engines\">Where it runs</h2>\n");
    add_spans(subject.matrix->spans, out);
    out.add("</section>\n");
  }
  if (subject.check != nullptr && !subject.check->other_versions.empty()) {
    out.add("<section aria-labelledby=\"engines\">\n<h2 id=\"engines\">In other versions</h2>\n");
    add_spans(subject.check->other_versions, out);
    out.add("</section>\n");
  }
  return std::move(out).take();
}

}  // namespace requant
