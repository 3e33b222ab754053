#include "requant/fix.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/terminal.h"
#include "requant/convert.h"
#include "requant/inspect.h"

namespace requant::cli {
namespace {

struct Arguments {
  FixRequest request;
  bool json = false;
};

// Blocks and lists may be long; --json has them whole.
std::string shortened(const std::string& text) {
  constexpr std::size_t kLongest = 160;
  return visible(text.size() > kLongest ? text.substr(0, kLongest) + " ..." : text);
}

void print_edits(const FixReport& report) {
  std::string file;
  for (const FixEdit& edit : report.edits) {
    if (edit.file != file) print(styled(visible(edit.file), Style::kBold) + "\n");
    file = edit.file;
    const std::string key = edit.key.empty() ? "" : visible(edit.key) + ": ";
    if (!edit.before.empty()) {
      print(styled("  - " + key + shortened(edit.before), Style::kRed) + "\n");
    }
    if (!edit.after.empty()) {
      print(styled("  + " + key + shortened(edit.after), Style::kGreen) + "\n");
    }
    if (edit.after.empty() && edit.key.empty()) print("  (the file is removed)\n");
  }
}

void print_report(const FixReport& report) {
  if (report.edits.empty()) print("nothing to mend in the metadata\n");
  print_edits(report);
  if (!report.written.empty()) {
    print(fmt::format("written: {}\n", visible(report.written.string())));
  } else if (!report.edits.empty()) {
    print("nothing was written: -o OUT makes a folder, --in-place edits this one\n");
  }
  std::vector<Finding> left;
  for (const Finding& finding : report.left) {
    if (finding.severity > Severity::kInfo || finding.rule.starts_with("side.")) {
      left.push_back(finding);
    }
  }
  if (left.empty()) return;
  print(styled("not mended by editing metadata", Style::kBold) + "\n");
  print_findings(left);
}

int run(const Arguments& arguments) {
  stop_on_signals();
  const auto report_of_fix = fix(arguments.request);
  if (!report_of_fix) return report(report_of_fix.error());
  if (arguments.json) {
    print(to_json(*report_of_fix));
  } else {
    print_report(*report_of_fix);
  }
  return any_at_least(report_of_fix->left, Severity::kError) ? kFindings : kClean;
}

std::function<int()> add(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  FixRequest& request = arguments->request;
  app.add_option("SRC", request.input, "a checkpoint folder")->required();
  auto* out = app.add_option("-o,--out", request.out,
                             "a new folder: edited metadata beside hard links of the weights");
  app.add_flag("--in-place", request.in_place, "edit SRC; what is replaced stays as NAME.orig")
      ->excludes(out);
  app.add_flag("--nest", request.nest, "state the quantisation in the language model's config too");
  app.add_flag("--json", arguments->json, "one JSON document on stdout");
  app.footer(
      "Without -o and --in-place nothing is written. Exit codes: 0 all mended; 1 errors are left.");
  return [arguments] { return run(*arguments); };
}

}  // namespace

extern const Command k_command_fix = {
    .name = "fix",
    .summary = "mend config.json, side files and the index; no tensor is touched",
    .add = add,
};

}  // namespace requant::cli
