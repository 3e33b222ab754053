#include "api/check_repairs.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "api/conversion.h"
#include "base/text.h"
#include "engine/check.h"
#include "plan/contradiction.h"
#include "plan/plan.h"

namespace requant {
namespace {

constexpr auto kCheapestFirst =
    std::to_array<std::string_view>({"config-edit", "convert", "flag", "version", "lossy-convert"});
// From so many weights on, one of each kind tells what a conversion would lose.
constexpr std::size_t kManyWeights = 10'000;

std::size_t rank(const CheckRepair& repair) {
  return static_cast<std::size_t>(std::ranges::find(kCheapestFirst, repair.kind) -
                                  kCheapestFirst.begin());
}

// The parts of a finding's repair: "A; or B".
std::vector<std::string> ways_of(const Finding& finding) {
  constexpr std::string_view kOr = "; or ";
  std::vector<std::string> ways;
  std::string_view rest = finding.repair;
  for (auto at = rest.find(kOr); at != std::string_view::npos; at = rest.find(kOr)) {
    ways.emplace_back(rest.substr(0, at));
    rest.remove_prefix(at + kOr.size());
  }
  if (!rest.empty()) ways.emplace_back(rest);
  return ways;
}

std::string kind_of(std::string_view way) {
  if (way.starts_with("edit config.json") || way.starts_with("requant fix")) return "config-edit";
  return way.starts_with("the flag ") ? "flag" : "";
}

// What the rules that say no name themselves. Where several say no, each way answers one of them.
void add_named(const CheckResult& result, std::vector<CheckRepair>& repairs) {
  const auto says_no = [](const Finding& f) { return f.severity == Severity::kError; };
  const bool several = std::ranges::count_if(result.findings, says_no) > 1;
  for (const Finding& finding : result.findings) {
    if (finding.rule.starts_with("edit.") && finding.message.ends_with(" is enough")) {
      repairs.push_back({.kind = "config-edit", .what = finding.message, .losses = {}});
    }
    if (!says_no(finding)) continue;
    for (const std::string& way : ways_of(finding)) {
      const std::string kind = kind_of(way);
      if (kind.empty()) continue;
      std::string what = way + (several ? fmt::format(" (against {} alone)", finding.rule) : "");
      repairs.push_back({.kind = kind, .what = std::move(what), .losses = {}});
    }
  }
}

void add_versions(const CheckResult& result, std::vector<CheckRepair>& repairs) {
  for (auto span = result.other_versions.rbegin(); span != result.other_versions.rend(); ++span) {
    if (span->verdict != "yes") continue;
    const std::string range =
        span->since == span->until ? span->since : span->since + " to " + span->until;
    repairs.push_back({.kind = "version", .what = span->engine + " " + range, .losses = {}});
  }
}

// Whether `convert` begins with it at all.
bool is_convertible(const Checkpoint& checkpoint) {
  return checkpoint.is_readable() && !checkpoint.folder().is_far() &&
         std::ranges::none_of(
             checkpoint.findings(),
             [](const Finding& finding) { return finding.severity == Severity::kError; }) &&
         check_contradictions(checkpoint, {});
}

std::string command_of(const CheckResult& result, const CheckOptions& options,
                       const std::vector<std::string>& losses) {
  std::string command =
      fmt::format("requant convert SRC -o OUT --for {}@{}", result.engine, result.version);
  if (options.capability > 0) command += fmt::format(" --gpu sm_{}", options.capability);
  if (!options.cpu.empty()) command += " --cpu " + options.cpu;
  if (!losses.empty()) command += " --allow " + join(losses, ",");
  return command;
}

Result<void> add_conversion(const Checkpoint& checkpoint, const CheckResult& result,
                            const CheckOptions& options, std::vector<CheckRepair>& repairs) {
  if (!is_convertible(checkpoint)) return {};
  PlanRequest request;
  request.capability = options.capability;
  request.tensor_parallel = options.tensor_parallel;
  request.cpu = options.cpu;
  request.only_examples = checkpoint.weights().size() >= kManyWeights;
  const auto plan = make_plan_for(checkpoint, result.engine + "@" + result.version, request);
  if (!plan) {
    if (plan.error().code() == ErrorCode::kRefused) return {};
    return plan.error();
  }
  std::vector<std::string> all = names_of(LossSet(plan->losses).add(plan->possible));
  const char* kind = all.empty() ? "convert" : "lossy-convert";
  repairs.push_back({.kind = kind,
                     .what = command_of(result, options, names_of(plan->losses)),
                     .losses = std::move(all)});
  return {};
}

}  // namespace

Result<std::vector<CheckRepair>> repairs_of(const Checkpoint& checkpoint, const CheckResult& result,
                                            const CheckOptions& options) {
  std::vector<CheckRepair> repairs;
  if (result.verdict != name_of(Verdict::kNo)) return repairs;
  add_named(result, repairs);
  add_versions(result, repairs);
  RQ_CHECK(add_conversion(checkpoint, result, options, repairs));
  std::ranges::stable_sort(repairs, {}, rank);
  return repairs;
}

}  // namespace requant
