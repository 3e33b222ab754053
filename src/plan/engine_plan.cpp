#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "dialect/weight_file.h"
#include "engine/check.h"
#include "engine/own_container.h"
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

// The source's own form first, then that of the engine's own files; unquantised forms last; between
// them the order of the registry, then common schemes.
std::vector<Candidate> candidates(const Checkpoint& checkpoint, std::string_view container) {
  const Dialect& own = checkpoint.dialect();
  std::vector<Candidate> list = {{{.dialect = &own, .scheme = {}}, true}};
  if (own.quantization_config != nullptr) list.push_back({{.dialect = &own, .scheme = {}}, false});
  for (const Dialect* dialect : dialects()) {
    const bool is_native = weight_file_of(*dialect) != nullptr && dialect->name == container;
    if (is_native && dialect != &own) list.push_back({{.dialect = dialect, .scheme = {}}, false});
  }
  for (const Dialect* dialect : dialects()) {
    const bool writes = dialect->quantization_config != nullptr && dialect->codec_for != nullptr;
    if (writes && dialect != &own && dialect->name != "dense")
      list.push_back({{.dialect = dialect, .scheme = {}}, false});
  }
  for (const std::string_view form : kCommonForms) {
    auto target = parse_target(form);
    if (!target) continue;
    target->keeps_bits = true;
    list.push_back({*std::move(target), false});
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
                               const EngineId& engine, const PlanRequest& request) {
  const WeightFile* whole = weight_file_of(*plan.target.dialect);
  Json config = plan.config;
  if (whole != nullptr) config.erase("quantization_config");  // the weight file says it all
  const Subject subject{
      .path = checkpoint.root(),
      .config = config,
      .architecture = checkpoint.architecture(),
      .container = whole == nullptr ? "safetensors" : std::string(plan.target.dialect->name),
      .dialect = std::string(plan.target_weights.empty() ? "dense" : plan.target.dialect->name),
      .weights = plan.target_weights,
      .dense = plan.target_dense,
      .files = file_names(plan),
      .weight_file = plan.shards.empty() ? "" : plan.shards.front().file};
  // The checkpoint has to run on the usual processor, not on the best one.
  return check(subject, engine,
               {.capability = request.capability,
                .tensor_parallel = request.tensor_parallel,
                .cpu = request.cpu.empty() ? std::string(kUsualCpu) : request.cpu});
}

std::string form_of(const Candidate& candidate) {
  if (candidate.keep_config) return "as it is";
  const Target& target = candidate.target;
  return fmt::format("{}{}{}", target.dialect->name, target.scheme.empty() ? "" : ":",
                     target.scheme);
}

LossSet all_of(const Plan& plan) { return LossSet(plan.losses).add(plan.possible); }

// The best so far, and what was said of each form.
struct Search {
  std::optional<Plan> best;
  std::size_t best_place = 0;  // in considered
  std::vector<Alternative> considered;

  bool beats_best(const Plan& plan) const {
    if (!best) return true;
    const LossSet worst = all_of(plan);
    const LossSet worst_of_best = all_of(*best);
    return worst != worst_of_best ? worst < worst_of_best : plan.losses < best->losses;
  }

  void refuse(const Candidate& candidate, std::string why, const Plan* plan = nullptr) {
    Alternative& one = considered.emplace_back();
    one.form = form_of(candidate);
    one.why = std::move(why);
    if (plan == nullptr) return;
    one.losses = plan->losses;
    one.possible = plan->possible;
  }
  void refuse_as_dearer(const Candidate& candidate, const Plan& plan) {
    const bool same = all_of(plan) == all_of(*best);
    refuse(candidate,
           fmt::format("{} {}, which comes first", same ? "loses no less than" : "loses more than",
                       considered[best_place].form),
           &plan);
  }
  void take(const Candidate& candidate, Plan plan) {
    if (best) {
      Alternative& before = considered[best_place];
      before.is_taken = false;
      before.why = fmt::format("{} loses less", form_of(candidate));
    }
    refuse(candidate,
           all_of(plan).empty() ? "the engine accepts it, and nothing is lost"
                                : "the engine accepts it, and no other form loses less",
           &plan);
    best_place = considered.size() - 1;
    considered.back().is_taken = true;
    best = std::move(plan);
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
    search.refuse(candidate, plan.error().message());
    return false;
  }
  if (!search.beats_best(*plan)) {
    search.refuse_as_dearer(candidate, *plan);
    return false;
  }
  RQ_TRY(const CheckReport report, check_plan(checkpoint, *plan, engine, request));
  if (report.verdict != Verdict::kYes) search.refuse(candidate, report.summary, &*plan);
  return report.verdict == Verdict::kYes;
}

Result<void> search_all(const Checkpoint& checkpoint, PlanRequest& request, const EngineId& id,
                        bool tries_examples, Search& search) {
  RQ_TRY(const std::string container, own_container(id));
  for (const Candidate& candidate : candidates(checkpoint, container)) {
    if (search.best && all_of(*search.best).empty()) {
      search.considered.push_back({.form = form_of(candidate),
                                   .is_looked_at = false,
                                   .why = "a form before it loses nothing"});
      continue;
    }
    request.target = candidate.target;
    request.keep_config = candidate.keep_config;
    if (tries_examples) {
      RQ_TRY(const bool hopeful, is_hopeful(checkpoint, candidate, request, id, search));
      if (!hopeful) continue;
    }
    auto plan = make_plan(checkpoint, request);
    if (!plan) {
      search.refuse(candidate, plan.error().message());
      continue;
    }
    if (!search.beats_best(*plan)) {
      search.refuse_as_dearer(candidate, *plan);
      continue;
    }
    RQ_TRY(const CheckReport report, check_plan(checkpoint, *plan, id, request));
    if (report.verdict != Verdict::kYes) {
      search.refuse(candidate, report.summary, &*plan);
    } else {
      search.take(candidate, *std::move(plan));
    }
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
    search.considered.clear();
    RQ_CHECK(search_all(checkpoint, request, id, false, search));
  }
  if (!search.best) {
    std::string whys;
    for (const Alternative& one : search.considered) {
      whys += fmt::format("\n  {:<22} {}", one.form, one.why);
    }
    return refused(
        fmt::format("nothing that requant can write is known to run on {}{}", engine, whys));
  }
  search.best->considered = std::move(search.considered);
  return *std::move(search.best);
}

}  // namespace requant
