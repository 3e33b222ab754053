#include "requant/verify.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/progress.h"
#include "cli/terminal.h"
#include "cli/tokens.h"
#include "requant/bytes.h"
#include "requant/convert.h"
#include "requant/inspect.h"
#include "requant/run.h"

namespace requant::cli {
namespace {

constexpr std::uint64_t kWindow = 512;  // tokens that models see together
constexpr std::size_t kListed = 20;     // mismatches that are told one by one

struct Arguments {
  VerifyOptions options;
  std::filesystem::path output;  // whose checksums are compared
  bool model = false;            // compare what they say
  std::filesystem::path text;
  double max_kl = -1;  // below 0: no bound
  bool activations = false;
  bool json = false;
};

std::string detail_of(const VerifyPair& pair) {
  if (pair.first.empty()) return pair.status;
  if (pair.elements == 0) return fmt::format("{}: {}", pair.status, pair.first);
  return fmt::format("{}: {} elements, at most {:.3g} of the largest and {} ulp; first {}",
                     pair.status, pair.elements, pair.max_relative, pair.max_ulp, pair.first);
}

void print_pairs(const VerifyReport& report) {
  std::size_t told = 0;
  for (const VerifyPair& pair : report.pairs) {
    if (pair.status == "repaired") {
      print(
          fmt::format("{}: repaired, {} rows of scale 0\n", pair.name, pair.repaired_rows.size()));
    }
    if (pair.matches || ++told > kListed) continue;
    print(fmt::format("{}: {}\n", styled(pair.name, Style::kRed), detail_of(pair)));
  }
  if (told > kListed) print(fmt::format("and {} more\n", told - kListed));
}

void print_summary(const VerifyReport& report) {
  std::string counts;
  for (const char* status : {"exact", "rounded", "repaired", "padded", "tied", "differs",
                             "only-in-first", "only-in-second"}) {
    const std::uint64_t count = report.count(status);
    if (count > 0) counts += fmt::format("{}{} {}", counts.empty() ? "" : ", ", count, status);
  }
  const std::string verdict = report.equal ? styled("the same model", Style::kGreen)
                                           : styled("not the same model", Style::kRed);
  print(fmt::format("{}: {} pairs, {}\n", verdict, report.pairs.size(), counts));
}

void print_checksums(const ChecksumReport& report) {
  for (const ChecksumDamage& damage : report.damage) {
    print(fmt::format("{}{}{}: {}\n", styled(visible(damage.file), Style::kRed),
                      damage.tensor.empty() ? "" : ": ", visible(damage.tensor),
                      visible(damage.what)));
  }
  for (const std::string& name : report.unlisted) {
    print(fmt::format("{}: not in the receipt\n", visible(name)));
  }
  const std::string verdict =
      report.damage.empty() ? styled("intact", Style::kGreen) : styled("damaged", Style::kRed);
  print(fmt::format("{}: {} files, {} tensors, {}, SHA-256 of each compared with the receipt\n",
                    verdict, report.files, report.tensors, human_bytes(report.bytes)));
}

int run_checksums(const Arguments& arguments) {
  if (!arguments.options.first.empty()) return report(usage("--checksums OUT takes no checkpoint"));
  const auto result = [&] {
    ProgressLine line("verify");
    return verify_checksums(
        arguments.output, arguments.options.threads,
        [&](std::uint64_t bytes, std::uint64_t total) { line.update(bytes, total); });
  }();
  if (!result) return report(result.error());
  if (arguments.json) {
    print(to_json(*result));
  } else {
    print_checksums(*result);
  }
  return result->damage.empty() ? kClean : kFindings;
}

int run_model(const Arguments& arguments) {
  std::string text;
  if (!arguments.text.empty()) {
    auto read = read_text(arguments.text);
    if (!read) return report(read.error());
    text = *std::move(read);
  }
  const auto side = [&](const std::filesystem::path& source) {
    return RunOptions{.source = source,
                      .threads = arguments.options.threads,
                      .round_inputs = arguments.activations};
  };
  const auto result =
      compare_models(side(arguments.options.first), side(arguments.options.second), text, kWindow);
  if (!result) return report(result.error());
  if (arguments.json) {
    print(to_json(*result));
  } else {
    print(
        fmt::format("{} tokens: logits differ by at most {:.2g} of the largest, KL mean {:.3g}, "
                    "at most {:.3g} nats, the same token first after {:.1f} %\n",
                    result->tokens, result->largest, result->mean_kl, result->largest_kl,
                    100 * result->same_top));
  }
  // A KL that is no number is no proof, either.
  const bool fine = arguments.max_kl < 0 || result->mean_kl <= arguments.max_kl;
  return fine ? kClean : kFindings;
}

int run(const Arguments& arguments) {
  stop_on_signals();
  if (!arguments.output.empty()) return run_checksums(arguments);
  if (arguments.options.second.empty()) {
    return report(usage("two checkpoints are needed, or --checksums OUT"));
  }
  if (arguments.model) return run_model(arguments);
  const auto result = [&] {
    ProgressLine line("verify");
    return verify(arguments.options,
                  [&](std::uint64_t bytes, std::uint64_t total) { line.update(bytes, total); });
  }();
  if (!result) return report(result.error());
  if (arguments.json) {
    print(to_json(*result));
  } else {
    print_pairs(*result);
    print_summary(*result);
  }
  return result->equal ? kClean : kFindings;
}

std::function<int()> add(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  app.add_option("FIRST", arguments->options.first, "a checkpoint");
  app.add_option("SECOND", arguments->options.second, "a checkpoint");
  app.add_option("--checksums", arguments->output,
                 "an output of requant: compare its bytes with the hashes in its receipt")
      ->type_name("OUT");
  auto* model = app.add_flag("--model", arguments->model,
                             "run both and compare what they say, instead of their numbers");
  app.add_option("--text", arguments->text, "with --model: a file of text; - is stdin")
      ->type_name("FILE")
      ->needs(model);
  app.add_option("--max-kl", arguments->max_kl,
                 "with --model: exit code 1 where the mean KL is above that many nats")
      ->check(CLI::NonNegativeNumber)
      ->needs(model);
  app.add_flag("--activations", arguments->activations,
               "with --model: round the inputs of quantised weights, as the dialects state")
      ->needs(model);
  app.add_option("--threads", arguments->options.threads, "threads to use")
      ->check(CLI::PositiveNumber);
  app.add_flag("--json", arguments->json, "one JSON document on stdout");
  return [arguments] { return run(*arguments); };
}

}  // namespace

extern const Command k_command_verify = {
    .name = "verify",
    .summary = "compares every number of two checkpoints, or every byte with a receipt",
    .add = add,
};

}  // namespace requant::cli
