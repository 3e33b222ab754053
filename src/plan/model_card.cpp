#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "base/file.h"
#include "base/text.h"
#include "plan/receipt.h"
#include "plan/version.h"

namespace requant {
namespace {

constexpr std::uint64_t kMaxCardBytes = std::uint64_t{1} << 20;
constexpr std::string_view kFence = "---";

// The lines between the fences of the source's card; empty where there are none.
Result<std::vector<std::string>> front_matter(const Checkpoint& checkpoint) {
  const auto bytes = read_small_file(checkpoint.root() / "README.md", kMaxCardBytes);
  if (!bytes && bytes.error().code() == ErrorCode::kResource) return bytes.error();
  std::vector<std::string> lines;
  if (!bytes || !valid_utf8(bytes->text())) return lines;
  const auto all = split(bytes->text(), '\n');
  if (all.empty() || all.front() != kFence) return lines;
  for (std::size_t i = 1; i < all.size(); ++i) {
    if (all[i] == kFence) return lines;
    lines.emplace_back(all[i]);
  }
  return std::vector<std::string>{};
}

// A top-level field and the lines that continue it.
void set_field(std::vector<std::string>& lines, std::string_view key, std::string_view value) {
  const auto is_key = [&](const std::string& line) {
    return line.starts_with(key) && line.size() > key.size() && line[key.size()] == ':';
  };
  const auto found = std::ranges::find_if(lines, is_key);
  const std::string line = fmt::format("{}: {}", key, value);
  if (found == lines.end()) {
    lines.push_back(line);
    return;
  }
  *found = line;
  const auto continues = [](const std::string& l) {
    return !l.empty() && (l.front() == ' ' || l.front() == '-');
  };
  const auto end = std::find_if_not(found + 1, lines.end(), continues);
  lines.erase(found + 1, end);
}

std::string scheme_table(const Plan& plan, const RunReport& report) {
  std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> rows;  // weights, bytes
  for (const WeightStep& step : plan.weights) {
    auto& [weights, bytes] = rows[describe(plan.routes[step.route].chain.result)];
    ++weights;
    for (const auto& [suffix, output] : step.outputs) bytes += plan.outputs[output].tensor->bytes;
  }
  std::string text = "| scheme | weights | size |\n|---|---|---|\n";
  for (const auto& [scheme, row] : rows) {
    text += fmt::format("| {} | {} | {} |\n", scheme, row.first, human_bytes(row.second));
  }
  std::uint64_t copied = 0;
  for (const CopyStep& step : plan.copies) copied += plan.outputs[step.output].tensor->bytes;
  text += fmt::format("| as it was, not quantised | {} tensors | {} |\n", plan.copies.size(),
                      human_bytes(copied));
  if (report.repaired_weights > 0) {
    text += fmt::format("\n{} weights had rows of scale 0, which now have codes 0 and scale 1.\n",
                        report.repaired_weights);
  }
  return text;
}

std::string losses_text(const Plan& plan, const RunReport& report) {
  if (report.losses.empty()) {
    return plan.target.is_dense() && !plan.weights.empty()
               ? "Each weight is its exact value rounded once.\n"
               : "Nothing was lost: every weight decodes to the same numbers.\n";
  }
  std::string text = "What was lost, with leave:\n\n";
  for (const LossSummary& loss : report.losses) {
    text += fmt::format("- {}: {} weights. {}", name_of(loss.loss), loss.weights,
                        meaning_of(loss.loss));
    if (loss.max_relative > 0) {
      text += fmt::format(", by at most {:.3g} of a weight's largest value", loss.max_relative);
    }
    text += "\n";
  }
  return text;
}

}  // namespace

Result<std::string> model_card(const Checkpoint& checkpoint, const Plan& plan,
                               const RunReport& report) {
  RQ_TRY(std::vector<std::string> matter, front_matter(checkpoint));
  if (!plan.target.is_dense()) set_field(matter, "base_model_relation", "quantized");
  set_field(matter, "quantized_by", "requant");
  std::string text = fmt::format("{}\n", kFence);
  for (const std::string& line : matter) text += line + "\n";
  text += fmt::format(
      "{}\n\n# {} weights in {}\n\n"
      "Converted from {} by requant {}. `requant.json` holds the SHA-256 of every tensor before "
      "and "
      "after.\n`requant verify SOURCE .` compares every number with the source.\n\n{}\n{}",
      kFence, plan.target.is_dense() ? "Unquantised" : "Quantised", plan.target.dialect->long_name,
      checkpoint.dialect().long_name, kVersion, scheme_table(plan, report),
      losses_text(plan, report));
  return text;
}

}  // namespace requant
