#include "cli/conversion.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/progress.h"
#include "cli/terminal.h"
#include "requant/bytes.h"

namespace requant::cli {
namespace {

void print_steps(const ConvertPlan& plan) {
  std::vector<std::vector<std::string>> rows = {{"step", "tensors", "size"}};
  for (const ConvertStep& step : plan.steps) {
    rows.push_back({step.step, fmt::format("{}", step.tensors), human_bytes(step.bytes)});
  }
  if (!plan.dropped.empty()) rows.push_back({"drop", fmt::format("{}", plan.dropped.size()), ""});
  print_table(rows);
  for (const auto& [name, reason] : plan.dropped)
    print(fmt::format("  drop {}: {}\n", name, reason));
}

void print_files(const ConvertPlan& plan) {
  for (const char* action : {"copy", "write", "drop"}) {
    std::string line;
    for (const ConvertFile& file : plan.files) {
      if (file.action == action) line += " " + file.name;
    }
    if (!line.empty()) print(fmt::format("files to {}:{}\n", action, line));
  }
}

void print_alternatives(const ConvertPlan& plan) {
  constexpr std::size_t kColumns = 120;
  if (plan.alternatives.empty()) return;
  std::vector<std::vector<std::string>> rows = {{"considered", "loses", ""}};
  std::vector<std::string> others;
  for (const ConvertAlternative& one : plan.alternatives) {
    if (!one.is_looked_at) {
      others.push_back(one.form);
      continue;
    }
    std::vector<std::string> losses = one.losses;
    for (const std::string& loss : one.possible_losses) losses.push_back("perhaps " + loss);
    rows.push_back({one.form, losses.empty() ? "-" : fmt::format("{}", fmt::join(losses, ", ")),
                    (one.is_taken ? "taken: " : "not taken: ") + shortened(one.why, kColumns)});
  }
  print_table(rows);
  if (others.empty()) return;
  print(fmt::format("not looked at, as nothing is lost: {}\n", fmt::join(others, ", ")));
}

void print_plan(const ConvertPlan& plan) {
  print(fmt::format("{} to {}\n", styled(plan.from, Style::kBold), styled(plan.to, Style::kBold)));
  print_alternatives(plan);
  print_steps(plan);
  print(fmt::format("output {} in {} file{}, memory at most {}\n", human_bytes(plan.output_bytes),
                    plan.shards.size(), plan.shards.size() == 1 ? "" : "s",
                    human_bytes(plan.peak_memory_bytes)));
  print(plan.config_changes ? "config.json: quantization_config is rewritten, the rest stays\n"
                            : "config.json: stays as it is\n");
  for (const ConvertPadding& size : plan.padded) {
    print(fmt::format("padded with zeros: {} from {} to {}\n", size.key, size.from, size.to));
  }
  print_files(plan);
  if (plan.repairable_weights > 0) {
    print(fmt::format("repairs: rows of scale 0 in {} weights get codes 0 and scale 1\n",
                      plan.repairable_weights));
  }
  if (plan.losses.empty()) print("losses: none\n");
  for (const ConvertLoss& loss : plan.losses) {
    const std::string where = loss.certain ? "" : " where the numbers do not fit";
    print(fmt::format("loss {}{}: {} weights, first {}; {}{}{}\n",
                      styled(loss.loss, Style::kYellow), where, loss.weights, loss.first,
                      loss.meaning, loss.bound.empty() ? "" : ", " + loss.bound,
                      loss.allowed ? "" : "; needs --allow " + loss.loss + where));
  }
}

int refuse_losses(const ConvertPlan& plan) {
  for (const ConvertLoss& loss : plan.losses) {
    if (loss.allowed || !loss.certain) continue;
    return report(
        refused(fmt::format("{}: {} needs --allow {}", loss.first, loss.loss, loss.loss)));
  }
  return kClean;
}

void print_report(const ConvertReport& report, const ConvertOptions& options) {
  print_alternatives(report.plan);
  for (const ConvertRepair& repair : report.repairs) {
    print(fmt::format("repaired {}: {} rows of scale 0\n", repair.tensor, repair.rows));
  }
  for (const ConvertLossTaken& loss : report.losses) {
    std::string what;
    if (loss.codes > 0) what += fmt::format(", {} codes changed", loss.codes);
    if (loss.scales > 0) what += fmt::format(", {} scales changed", loss.scales);
    if (loss.max_relative > 0) {
      what += fmt::format(", by at most {:.3g} of the largest value of {}", loss.max_relative,
                          loss.worst);
    }
    print(fmt::format("loss {}: {} weights{}\n", loss.loss, loss.weights, what));
  }
  std::uint64_t tensors = 0;
  for (const ConvertStep& step : report.plan.steps) tensors += step.tensors;
  print(fmt::format("{}: {} tensors, {}, {} to {}{}{}\n", options.output.string(), tensors,
                    human_bytes(report.plan.output_bytes), report.plan.from, report.plan.to,
                    report.losses.empty() ? "" : ", with the losses given leave",
                    report.was_there ? "; was there already, nothing was written" : ""));
}

}  // namespace

void add_conversion_options(CLI::App& app, ConversionArguments& arguments) {
  ConvertOptions& options = arguments.options;
  app.add_option("INPUT", options.input, "a checkpoint folder")->required();
  app.add_option("-o,--output", options.output, "the folder to make");
  app.add_option("--layout", options.layout,
                 "split-fused, merge-fused, split-experts, merge-experts (docs/layouts.md)")
      ->delimiter(',');
  app.add_option("--pad-for-tp", options.pad_for_tp,
                 "pad the sizes of the MLPs with zeros until they divide among N ranks")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
  app.add_option("--max-shard-size", options.max_shard_bytes, "bytes a weight file, or 5GB, 500MB")
      ->transform(CLI::AsSizeValue(true))
      ->default_str("5GB");
  app.add_option("--tokenizer-from", options.tokenizer_from,
                 "take tokenizer and processor files from this folder");
  app.add_flag("--overwrite", options.overwrite, "replace an earlier output of requant");
  app.add_option("--threads", options.threads, "threads to use")->check(CLI::PositiveNumber);
  app.add_flag("--dry-run", arguments.dry_run, "print the plan and write nothing");
  app.add_flag("--json", arguments.json, "one JSON document on stdout");
}

int run_conversion(const ConversionArguments& arguments, const char* verb,
                   const std::function<Result<ConvertPlan>()>& plan,
                   const std::function<Result<ConvertReport>(const Progress&)>& run) {
  if (arguments.dry_run) {
    const auto planned = plan();
    if (!planned) return report(planned.error());
    if (arguments.json) {
      print(to_json(*planned));
    } else {
      print_plan(*planned);
    }
    return refuse_losses(*planned);
  }
  if (arguments.options.output.empty()) return report(usage("-o OUT is needed"));
  stop_on_signals();
  const auto done = [&] {
    ProgressLine line(verb);
    return run([&](std::uint64_t bytes, std::uint64_t total) { line.update(bytes, total); });
  }();
  if (!done) return report(done.error());
  if (arguments.json) {
    print(to_json(*done));
  } else {
    print_report(*done, arguments.options);
  }
  return kClean;
}

}  // namespace requant::cli
