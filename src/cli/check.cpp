#include "requant/check.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "cli/command.h"
#include "cli/reports.h"
#include "cli/terminal.h"
#include "requant/bytes.h"
#include "requant/process.h"

namespace requant::cli {
namespace {

// What an engine prints may hold the names of all its methods: one screen has no room for that.
constexpr std::size_t kEditColumns = 200;

struct Arguments {
  std::string path;
  std::string engine;
  std::string gpu;
  CheckOptions options;
  std::string fail_on = "unknown";
  bool json = false;
  ReportOptions reports;
};

bool is_edit(const Finding& finding) { return finding.rule.starts_with("edit."); }

Style style_of(const std::string& verdict) {
  if (verdict == "yes") return Style::kGreen;
  return verdict == "no" ? Style::kRed : Style::kYellow;
}

std::string range_of(const EngineSpan& span) {
  return span.since == span.until ? span.since : span.since + " to " + span.until;
}

void print_memory(const std::optional<MemoryNeed>& memory, const CheckOptions& options) {
  if (!memory) return;
  std::string text =
      fmt::format("memory: {} of weights on each of {} GPU{}", human_bytes(memory->weight_bytes),
                  options.tensor_parallel, options.tensor_parallel == 1 ? "" : "s");
  text += memory->cache_known ? fmt::format(", {} of keys and values for a sequence of {} tokens",
                                            human_bytes(memory->cache_bytes), options.context)
                              : ", the size of keys and values is not known from config.json";
  print(text + "; not counted: activations, graphs, the engine's own buffers\n");
}

void print_other_versions(const CheckResult& result) {
  for (const EngineSpan& span : result.other_versions) {
    const std::string why = span.reason.empty() ? "" : ": " + shortened(span.reason, kEditColumns);
    print(fmt::format("{} {}: {}{}\n", span.engine, range_of(span),
                      styled(span.verdict, style_of(span.verdict)), why));
  }
}

void print_matrix(const CheckMatrix& matrix) {
  std::size_t names = 0;
  std::size_t ranges = 0;
  for (const EngineSpan& span : matrix.spans) {
    names = std::max(names, span.engine.size());
    ranges = std::max(ranges, range_of(span).size());
  }
  std::string engine;
  for (const EngineSpan& span : matrix.spans) {
    const std::string verdict = styled(fmt::format("{:<7}", span.verdict), style_of(span.verdict));
    std::string line = fmt::format("{:<{}}  {:<{}}  {}", span.engine == engine ? "" : span.engine,
                                   names, range_of(span), ranges, verdict);
    if (!span.reason.empty()) line += "  " + shortened(span.reason, kEditColumns);
    while (line.ends_with(' ')) line.pop_back();
    print(line + "\n");
    engine = span.engine;
  }
}

// The web page shows what an inspection knows, and a matrix has no findings of its own.
Result<void> write_check_reports(const Arguments& arguments, ReportSubject subject) {
  const bool wants_it = arguments.reports.want_inspection() ||
                        (subject.check == nullptr && arguments.reports.want_any());
  if (!wants_it) return write_reports(arguments.reports, subject);
  const auto inspection =
      inspect(arguments.path, {.timeout_seconds = arguments.options.timeout_seconds});
  if (!inspection) return inspection.error();
  subject.inspection = &*inspection;
  return write_reports(arguments.reports, subject);
}

int run_everywhere(const Arguments& arguments) {
  const CheckOptions& options = arguments.options;
  const auto matrix = check_everywhere(arguments.path, options);
  if (!matrix) return report(matrix.error());
  if (arguments.json) {
    print(to_json(*matrix));
  } else {
    print_matrix(*matrix);
    print_memory(matrix->memory, options);
  }
  ReportSubject subject;
  subject.source = arguments.path;
  subject.matrix = &*matrix;
  const auto reported = write_check_reports(arguments, subject);
  if (!reported) return report(reported.error());
  const bool somewhere = std::any_of(matrix->spans.begin(), matrix->spans.end(),
                                     [](const EngineSpan& span) { return span.verdict == "yes"; });
  return somewhere ? kClean : kFindings;
}

void print_result(const CheckResult& result) {
  print(fmt::format("{}: {}\n", styled(result.verdict, style_of(result.verdict)), result.summary));
  std::vector<Finding> findings;
  std::vector<Finding> edits;
  for (const Finding& finding : result.findings) {
    (is_edit(finding) ? edits : findings).push_back(finding);
  }
  for (Finding& finding : findings) finding.why = shortened(finding.why, kEditColumns);
  print_findings(findings);
  if (!edits.empty()) print(styled("what editing by hand would do", Style::kBold) + "\n");
  for (const Finding& edit : edits) {
    const std::string why = edit.why.empty() ? "" : ": " + shortened(edit.why, kEditColumns);
    print(fmt::format("  {}{}\n", edit.message, why));
  }
}

void print_repairs(const std::vector<CheckRepair>& repairs) {
  if (repairs.empty()) return;
  print(styled("what would help, the cheapest first", Style::kBold) + "\n");
  for (const CheckRepair& repair : repairs) {
    const std::string losses = repair.kind == "convert" ? ": nothing is lost"
                               : repair.losses.empty()
                                   ? ""
                                   : fmt::format(": loses {}", fmt::join(repair.losses, ", "));
    print(fmt::format("  {}: {}{}\n", repair.kind, repair.what, losses));
  }
}

int exit_code(const CheckResult& result, const std::string& fail_on) {
  if (fail_on == "never") return kClean;
  if (fail_on == "no") return result.verdict == "no" ? kFindings : kClean;
  if (result.verdict != "yes") return kFindings;
  return fail_on == "warning" && any_at_least(result.findings, Severity::kWarning) ? kFindings
                                                                                   : kClean;
}

int run(Arguments arguments) {
  leave_memory_to_the_system();
  if (!arguments.gpu.empty()) {
    const auto capability = parse_capability(arguments.gpu);
    if (!capability) return report(capability.error());
    arguments.options.capability = *capability;
  }
  if (arguments.engine == "any") {
    return run_everywhere(arguments);
  }
  const auto result = check_checkpoint(arguments.path, arguments.engine, arguments.options);
  if (!result) return report(result.error());
  if (arguments.json) {
    print(to_json(*result));
  } else {
    print_result(*result);
    print_repairs(result->repairs);
    print_other_versions(*result);
    print_memory(result->memory, arguments.options);
  }
  ReportSubject subject;
  subject.source = arguments.path;
  subject.check = &*result;
  const auto reported = write_check_reports(arguments, subject);
  if (!reported) return report(reported.error());
  return exit_code(*result, arguments.fail_on);
}

std::function<int()> add(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  app.add_option("SRC", arguments->path,
                 "a checkpoint: a folder, a weight file, or the https:// or hf:// address of one")
      ->required();
  app.add_option("--engine", arguments->engine,
                 "NAME@VERSION, as in vllm@0.7.3 (see requant engines); any: where it runs at all")
      ->required();
  app.add_option("--gpu", arguments->gpu,
                 "the GPU's capability, as in sm_90; without it the one needed is reported");
  app.add_option("--cpu", arguments->options.cpu,
                 "what the processor that serves has: amx, or less: avx512, avx2")
      ->check(CLI::IsMember({"amx", "avx512", "avx2"}));
  app.add_option("--tp,--tensor-parallel-size", arguments->options.tensor_parallel,
                 "GPUs that share each layer")
      ->check(CLI::PositiveNumber);
  app.add_option("--context", arguments->options.context,
                 "tokens of a sequence: tells what weights and cache take on each GPU")
      ->check(CLI::PositiveNumber);
  app.add_option("--fail-on", arguments->fail_on,
                 "what exits with 1: no; unknown (no or unknown, the default); warning (also a yes "
                 "with warnings); never")
      ->check(CLI::IsMember({"no", "unknown", "warning", "never"}));
  app.add_flag("--json", arguments->json, "one JSON document on stdout");
  app.add_option("--timeout", arguments->options.timeout_seconds,
                 "seconds that a server may take to answer (20)")
      ->check(CLI::PositiveNumber);
  add_report_options(app, arguments->reports);
  app.footer(
      "Exit codes: 0 yes (any: on some engine); 1 no or unknown; 2 usage; 3 unreadable input; 4 "
      "unsupported input.");
  return [arguments] { return run(*arguments); };
}

}  // namespace

extern const Command k_command_check = {
    .name = "check",
    .summary = "will this engine version load and run it: yes, no or unknown, why, and what helps",
    .add = add,
};

}  // namespace requant::cli
