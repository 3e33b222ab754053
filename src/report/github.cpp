// Workflow commands of GitHub Actions: a line of output that becomes an annotation.
#include <fmt/format.h>

#include "base/text.h"
#include "report/subject.h"

namespace requant {
namespace {

// '%' and line ends of a message; of a property also what ends it.
std::string escaped(std::string_view text, bool is_property) {
  std::string out;
  for (const char c : text) {
    const bool ends = is_property && (c == ':' || c == ',');
    if (c == '%' || c == '\r' || c == '\n' || ends) {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out;
}

std::string_view command_of(Severity severity) {
  switch (severity) {
    case Severity::kInfo:
      return "notice";
    case Severity::kWarning:
      return "warning";
    case Severity::kError:
      return "error";
  }
  return "notice";
}

// Lines of a finding stay lines; everything else that a terminal would obey does not.
std::string visible_lines(const std::string& text) {
  std::string out;
  for (const std::string_view line : split(text, '\n')) {
    if (!out.empty()) out += '\n';
    out += printable(line, 4096);
  }
  return out;
}

std::string line_of(std::string_view command, const std::string& file, const std::string& title,
                    const std::string& text) {
  return fmt::format("::{} file={},title={}::{}\n", command, escaped(printable(file, 1024), true),
                     escaped(printable(title), true), escaped(visible_lines(text), false));
}

std::string render(const ReportSubject& subject) {
  std::string out;
  if (subject.check != nullptr) {
    const std::string& verdict = subject.check->verdict;
    const std::string_view command = verdict == "yes"  ? "notice"
                                     : verdict == "no" ? "error"
                                                       : "warning";
    out += line_of(command, file_of(subject, Finding()),
                   subject.check->engine + " " + subject.check->version, verdict_text(subject));
  }
  for (const Finding& finding : findings_of(subject)) {
    out += line_of(command_of(finding.severity), file_of(subject, finding), finding.rule,
                   text_of(finding));
  }
  return out;
}

}  // namespace

extern const ReportForm k_report_github;
const ReportForm k_report_github = {
    .name = "github",
    .summary = "annotations for GitHub Actions, on stdout",
    .to_file = false,
    .render = render,
};

}  // namespace requant
