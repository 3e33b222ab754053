#pragma once

#include <map>
#include <string>

#include "requant/report.h"

namespace CLI {  // NOLINT(readability-identifier-naming): CLI11 calls it so
class App;
}

namespace requant::cli {

// Which reports were asked for beside what a command prints.
struct ReportOptions {
  std::map<std::string, std::string> files;  // by the form's name
  std::map<std::string, bool> lines;         // forms that go to stdout

  bool want_any() const;
  // True where a form that was asked for shows what only an inspection knows.
  bool want_inspection() const;
};

// An option for each form: --sarif FILE, --html FILE, --github.
void add_report_options(CLI::App& app, ReportOptions& options);

// kResource where a file cannot be written.
Result<void> write_reports(const ReportOptions& options, const ReportSubject& subject);

}  // namespace requant::cli
