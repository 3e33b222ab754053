#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/text.h"
#include "engine/check.h"
#include "plan/plan.h"
#include "plan/receipt.h"

namespace requant {
namespace {

struct Candidate {
  Target target;
  bool keep_config = false;
};

// Schemes that most engines run, for sources whose own none does. They cost a loss.
constexpr auto kCommonForms = std::to_array<std::string_view>(
    {"compressed-tensors:fp8", "compressed-tensors:w8a8", "compressed-tensors:w4a16"});

// The source's own form first, unquantised forms last; between them the order of the registry, then
// common schemes.
std::vector<Candidate> candidates(const Checkpoint& checkpoint) {
  const Dialect& own = checkpoint.dialect();
  std::vector<Candidate> list = {{{.dialect = &own, .scheme = {}}, true}};
  if (own.quantization_config != nullptr) list.push_back({{.dialect = &own, .scheme = {}}, false});
  for (const Dialect* dialect : dialects()) {
    const bool writes = dialect->quantization_config != nullptr && dialect->codec_for != nullptr;
    if (writes && dialect != &own) list.push_back({{.dialect = dialect, .scheme = {}}, false});
  }
  for (const std::string_view form : kCommonForms) {
    if (auto target = parse_target(form)) list.push_back({*std::move(target), false});
  }
  if (const Dialect* dense = find_dialect("dense"); dense != nullptr && dense != &own) {
    list.push_back({{.dialect = dense, .scheme = {}}, false});
  }
  return list;
}

std::vector<std::string> file_names(const Plan& plan) {
  std::vector<std::string> names = {"README.md", "config.json", std::string(kReceiptName)};
  for (const SideFile& file : plan.files) {
    if (file.action != FileAction::kDrop) names.push_back(file.name);
  }
  std::ranges::sort(names);
  return names;
}

Result<CheckReport> check_plan(const Checkpoint& checkpoint, const Plan& plan,
                               const EngineId& engine, const std::string& cpu) {
  const Subject subject{
      .path = checkpoint.root(),
      .config = plan.config,
      .architecture = checkpoint.architecture(),
      .container = "safetensors",
      .dialect = std::string(plan.target_weights.empty() ? "dense" : plan.target.dialect->name),
      .weights = plan.target_weights,
      .dense = plan.target_dense,
      .files = file_names(plan)};
  // The checkpoint has to run on the usual processor, not on the best one.
  return check(subject, engine, {.cpu = cpu.empty() ? std::string(kUsualCpu) : cpu});
}

// What the search has seen, for the refusal.
struct Search {
  std::optional<Plan> best;
  std::vector<std::string> notes;

  bool beats_best(const Plan& plan) const {
    if (!best) return true;
    const LossSet worst = all_of(plan);
    const LossSet worst_of_best = all_of(*best);
    return worst != worst_of_best ? worst < worst_of_best : plan.losses < best->losses;
  }
  static LossSet all_of(const Plan& plan) { return LossSet(plan.losses).add(plan.possible); }

  void note(const Candidate& candidate, const std::string& why) {
    const bool as_is = candidate.keep_config;
    const Target& target = candidate.target;
    const std::string scheme = target.scheme.empty() ? "" : ":" + target.scheme;
    notes.push_back(as_is ? "as it is: " + why
                          : fmt::format("{}{}: {}", target.dialect->name, scheme, why));
  }
};

// From so many weights on, candidates are first tried on one weight of each kind.
constexpr std::size_t kManyWeights = 10'000;

// What a few weights of a plan for the candidate already show: nothing against it, or it is noted.
Result<bool> is_hopeful(const Checkpoint& checkpoint, const Candidate& candidate,
                        PlanRequest request, const EngineId& engine, Search& search) {
  request.only_examples = true;
  const auto plan = make_plan(checkpoint, request);
  if (!plan) {
    search.note(candidate, plan.error().message());
    return false;
  }
  if (!search.beats_best(*plan)) return false;
  RQ_TRY(const CheckReport report, check_plan(checkpoint, *plan, engine, request.cpu));
  if (report.verdict != Verdict::kYes) search.note(candidate, report.summary);
  return report.verdict == Verdict::kYes;
}

Result<void> search_all(const Checkpoint& checkpoint, PlanRequest& request, const EngineId& id,
                        bool tries_examples, Search& search) {
  for (const Candidate& candidate : candidates(checkpoint)) {
    request.target = candidate.target;
    request.keep_config = candidate.keep_config;
    if (tries_examples) {
      RQ_TRY(const bool hopeful, is_hopeful(checkpoint, candidate, request, id, search));
      if (!hopeful) continue;
    }
    auto plan = make_plan(checkpoint, request);
    if (!plan) {
      search.note(candidate, plan.error().message());
      continue;
    }
    if (!search.beats_best(*plan)) continue;
    RQ_TRY(const CheckReport report, check_plan(checkpoint, *plan, id, request.cpu));
    if (report.verdict != Verdict::kYes) {
      search.note(candidate, report.summary);
      continue;
    }
    search.best = *std::move(plan);
    if (Search::all_of(*search.best).empty()) break;
  }
  return {};
}

}  // namespace

Result<Plan> make_plan_for(const Checkpoint& checkpoint, std::string_view engine,
                           PlanRequest request) {
  RQ_TRY(const EngineId id, parse_engine(engine));
  request.counts_dequantise = true;
  Search search;
  const bool many = checkpoint.weights().size() >= kManyWeights;
  RQ_CHECK(search_all(checkpoint, request, id, many, search));
  if (many && !search.best) {
    search.notes.clear();
    RQ_CHECK(search_all(checkpoint, request, id, false, search));
  }
  if (!search.best) {
    return refused(fmt::format("nothing that requant can write is known to run on {}: {}", engine,
                               join(search.notes, "; ")));
  }
  return *std::move(search.best);
}

}  // namespace requant
