#include "requant/inspect.h"

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

struct Arguments {
  std::filesystem::path input;
  InspectOptions options;
  bool json = false;
  std::string fail_on = "error";
  ReportOptions reports;
};

// Folders of many shapes are cut here; --json has them all.
constexpr std::size_t kMostRows = 40;

void print_line(std::string_view label, const std::string& text) {
  if (!text.empty())
    print(fmt::format("{} {}\n", styled(fmt::format("{:<13}", label), Style::kDim), text));
}

// "7.24 G", "135 M".
std::string count_text(std::uint64_t count) {
  const auto value = static_cast<double>(count);
  if (count >= 1'000'000'000) return fmt::format("{:.2f} G", value / 1e9);
  if (count >= 1'000'000) return fmt::format("{:.1f} M", value / 1e6);
  return fmt::format("{:.0f} k", value / 1e3);
}

void print_head(const Inspection& i) {
  print(styled(visible(i.path.string()), Style::kBold) + "\n");
  print_line("dialect", styled(i.dialect, Style::kBold) + ": " + i.dialect_long_name);
  for (const std::string& evidence : i.evidence) print_line("", "for " + visible(evidence));
  const std::string version = i.writer_version.empty() ? "" : " " + i.writer_version;
  print_line("written by", i.writer.empty() ? "not known" : i.writer + version);
  for (const std::string& evidence : i.writer_evidence) print_line("", "for " + visible(evidence));
  for (const InspectClaim& claim : i.claims) {
    print_line("config says", fmt::format("{} {}{}{}", visible(claim.where), visible(claim.method),
                                          claim.text.empty() ? "" : ": ", visible(claim.text)));
  }
  if (i.claims.empty()) print_line("config says", "no quantisation");
  print_line("architecture",
             visible(i.architecture) + (i.architecture_known ? "" : " (not known)"));
  print_line("container", fmt::format("{}, {} file{}, {} tensors, {}", i.container,
                                      i.weight_files.size(), i.weight_files.size() == 1 ? "" : "s",
                                      i.tensor_count, human_bytes(i.bytes)));
  if (i.parameters == 0) return;
  std::string bits =
      fmt::format("{}, {:.2f} bits each", count_text(i.parameters), i.bits_per_weight);
  if (i.quantised_weights > 0) {
    bits += fmt::format("; quantised {} in {} weights, {:.2f} bits each, scales included",
                        count_text(i.quantised_parameters), i.quantised_weights,
                        i.bits_per_quantised_weight);
  }
  print_line("parameters", bits);
}

bool is_matrix(const InspectGroup& group) { return group.quantised || group.shape.size() >= 2; }

std::vector<std::string> row_of(const InspectGroup& group) {
  return {visible(group.modules),
          fmt::format("x{}", group.count),
          fmt::format("[{}]", fmt::join(group.shape, ", ")),
          group.scheme,
          group.activations == "none" ? "" : group.activations,
          human_bytes(group.bytes)};
}

void print_groups(const Inspection& i) {
  std::vector<std::vector<std::string>> rows = {
      {"modules", "", "shape", "stored as", "activations", "size"}};
  std::uint64_t small = 0;
  std::uint64_t small_bytes = 0;
  std::size_t hidden = 0;
  for (const InspectGroup& group : i.groups) {
    if (!is_matrix(group)) {
      small += group.count;
      small_bytes += group.bytes;
    } else if (rows.size() > kMostRows) {
      ++hidden;
    } else {
      rows.push_back(row_of(group));
    }
  }
  print("\n");
  print_table(rows);
  if (hidden > 0) print(fmt::format("and {} more kinds (--json lists them)\n", hidden));
  if (small > 0) {
    print(fmt::format("and {} vectors (norms, biases, buffers), {}\n", small,
                      human_bytes(small_bytes)));
  }
}

void print_tensors(const Inspection& i) {
  std::vector<std::vector<std::string>> rows = {{"tensor", "dtype", "shape", "bytes", "file"}};
  for (const InspectTensor& tensor : i.tensors) {
    rows.push_back({visible(tensor.name), tensor.dtype,
                    fmt::format("[{}]", fmt::join(tensor.shape, ", ")),
                    fmt::format("{}", tensor.bytes), visible(tensor.file)});
  }
  print("\n");
  print_table(rows);
}

void print_side_files(const Inspection& i) {
  constexpr std::size_t kMost = 20;
  std::string line;
  for (std::size_t n = 0; n < i.side_files.size() && n < kMost; ++n) {
    line += (n > 0 ? ", " : "") + visible(i.side_files[n]);
  }
  if (i.side_files.size() > kMost) line += fmt::format(" and {} more", i.side_files.size() - kMost);
  print_line("\nbeside it", line);
}

void print_human(const Inspection& inspection) {
  print_head(inspection);
  print_groups(inspection);
  if (!inspection.tensors.empty()) print_tensors(inspection);
  print_side_files(inspection);
  if (inspection.findings.empty()) return;
  print("\n");
  print_findings(inspection.findings);
}

int exit_code(const Inspection& inspection, const std::string& fail_on) {
  if (fail_on == "never") return kClean;
  const Severity limit = fail_on == "warning" ? Severity::kWarning : Severity::kError;
  return any_at_least(inspection.findings, limit) ? kFindings : kClean;
}

int run(const Arguments& arguments) {
  leave_memory_to_the_system();
  const auto inspection = inspect(arguments.input, arguments.options);
  if (!inspection) return report(inspection.error());
  if (arguments.json) {
    print(to_json(*inspection));
  } else {
    print_human(*inspection);
  }
  const auto reported = write_reports(
      arguments.reports,
      {.source = arguments.input, .inspection = &*inspection, .check = nullptr, .matrix = nullptr});
  if (!reported) return report(reported.error());
  return exit_code(*inspection, arguments.fail_on);
}

std::function<int()> add(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  app.add_option(
         "INPUT", arguments->input,
         "a checkpoint folder, a weight file, an index, or the https:// or hf:// address of one")
      ->required();
  app.add_flag("--json", arguments->json, "one JSON document on stdout");
  app.add_option("--timeout", arguments->options.timeout_seconds,
                 "seconds that a server may take to answer (20)")
      ->check(CLI::PositiveNumber);
  app.add_flag("--tensors", arguments->options.tensors, "list every tensor");
  app.add_flag("--deep", arguments->options.deep,
               "read every byte: all scales, and codes that are constant, NaN or impossible");
  app.add_option("--fail-on", arguments->fail_on,
                 "exit 1 on findings of this weight: error, warning, never")
      ->check(CLI::IsMember({"error", "warning", "never"}))
      ->default_str("error");
  add_report_options(app, arguments->reports);
  return [arguments] { return run(*arguments); };
}

}  // namespace

extern const Command k_command_inspect = {
    .name = "inspect",
    .summary = "what is really in the files: dialect, writer, schemes, sizes, contradictions",
    .add = add,
};

}  // namespace requant::cli
