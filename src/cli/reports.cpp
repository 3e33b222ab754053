#include "cli/reports.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>

#include "cli/terminal.h"

namespace requant::cli {
namespace {

Result<void> write_file(const std::string& path, const std::string& text) {
  std::FILE* file = std::fopen(path.c_str(), "wbe");
  bool good = file != nullptr && std::fwrite(text.data(), 1, text.size(), file) == text.size();
  if (file != nullptr) good = std::fclose(file) == 0 && good;
  if (good) return {};
  return Error(ErrorCode::kResource, visible(path) + ": " + std::generic_category().message(errno));
}

bool is_wanted(const ReportOptions& options, const ReportForm& form) {
  const std::string name(form.name);
  const auto file = options.files.find(name);
  const auto line = options.lines.find(name);
  return (file != options.files.end() && !file->second.empty()) ||
         (line != options.lines.end() && line->second);
}

}  // namespace

bool ReportOptions::want_any() const {
  return std::ranges::any_of(report_forms(),
                             [&](const ReportForm* form) { return is_wanted(*this, *form); });
}

bool ReportOptions::want_inspection() const {
  for (const ReportForm* form : report_forms()) {
    if (form->wants_inspection && is_wanted(*this, *form)) return true;
  }
  return false;
}

void add_report_options(CLI::App& app, ReportOptions& options) {
  for (const ReportForm* form : report_forms()) {
    const std::string name(form->name);
    const std::string option = "--" + name;
    const std::string summary(form->summary);
    if (form->to_file) {
      app.add_option(option, options.files[name], summary)->type_name("FILE");
    } else {
      app.add_flag(option, options.lines[name], summary)->excludes("--json");
    }
  }
}

Result<void> write_reports(const ReportOptions& options, const ReportSubject& subject) {
  for (const ReportForm* form : report_forms()) {
    if (!is_wanted(options, *form)) continue;
    const std::string text = form->render(subject);
    if (!form->to_file) {
      print(text);
      continue;
    }
    const auto written = write_file(options.files.at(std::string(form->name)), text);
    if (!written) return written.error();
  }
  return {};
}

}  // namespace requant::cli
