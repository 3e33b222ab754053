#include "plan/regroup.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"

namespace requant {
namespace {

struct LayoutWord {
  std::string_view word;
  Structure LayoutRequest::*what;
  Structure value;
};
constexpr auto kLayoutWords =
    std::to_array<LayoutWord>({{"split-fused", &LayoutRequest::fused, Structure::kSplit},
                               {"merge-fused", &LayoutRequest::fused, Structure::kMerged},
                               {"split-experts", &LayoutRequest::experts, Structure::kSplit},
                               {"merge-experts", &LayoutRequest::experts, Structure::kMerged}});

// How a composition looks before and after; they differ in sizes where something is padded.
struct Bundle {
  Composition from;
  Composition to;
  Side source = Side::kHolder;
  Side target = Side::kHolder;
  std::int64_t cols = 0;  // of the result; 0: as the source has them
};

// A stack's tensor has the name of its module, other weights end in ".weight".
std::string_view module_of(const DenseTensor& tensor) {
  std::string_view name = tensor.tensor->name;
  constexpr std::string_view kSuffix = ".weight";
  if (name.ends_with(kSuffix)) name.remove_suffix(kSuffix.size());
  return name;
}

// False where every matrix stays one of its own: nothing is to be merged or padded, and no matrix
// holds others.
bool may_regroup(const Checkpoint& checkpoint, const RegroupRequest& request) {
  const bool merges = request.layout.fused == Structure::kMerged ||
                      request.layout.experts == Structure::kMerged ||
                      request.target.dialect->stacks == StackRule::kAlways;
  if (merges || request.padded_config != nullptr) return true;
  const auto holds_others = [&](std::string_view module) {
    return checkpoint.architecture().composition(module, checkpoint.config()).has_value();
  };
  return std::ranges::any_of(checkpoint.weights(), holds_others, &Weight::module) ||
         std::ranges::any_of(checkpoint.dense(), holds_others, module_of);
}

class Regrouper {
 public:
  Regrouper(const Checkpoint& checkpoint, const RegroupRequest& request)
      : checkpoint_(checkpoint), request_(request) {}

  Result<Regrouping> run() {
    for (const Weight& weight : checkpoint_.weights()) RQ_CHECK(visit(weight.module));
    for (const DenseTensor& tensor : checkpoint_.dense()) RQ_CHECK(visit(module_of(tensor)));
    return std::move(out_);
  }

 private:
  Result<void> visit(std::string_view module) {
    const Architecture& architecture = checkpoint_.architecture();
    const Json& config = checkpoint_.config();
    if (auto own = architecture.composition(module, config)) return visit_holder(*std::move(own));
    auto holder =
        may_merge() ? architecture.composition_with(module, config) : std::optional<Composition>();
    if (holder && wants_merged(*holder, module)) {
      if (!begun_.insert(holder->module).second) return {};
      const bool quantised = stored().is_quantised(std::string(module)) || recipe_takes(module);
      if (holder->is_stack() && quantised) RQ_CHECK(check_stack(*holder));
      return add_bundle(*std::move(holder), Side::kMembers, Side::kHolder);
    }
    return visit_single(module);
  }

  Result<void> visit_holder(Composition composition) {
    if (!begun_.insert(composition.module).second) return {};
    if (!stored().has_weight(composition.module)) return {};
    RQ_TRY(const Structure wanted, wanted_of(composition));
    if (wanted == Structure::kSplit) {
      return add_bundle(std::move(composition), Side::kHolder, Side::kMembers);
    }
    const bool keeps_bytes = !is_padded(composition) && !is_decoded(composition);
    if (keeps_bytes) return {};
    return add_bundle(std::move(composition), Side::kHolder, Side::kHolder);
  }

  // Stacks are decoded matrix by matrix.
  bool is_decoded(const Composition& composition) {
    if (!composition.is_stack()) return false;
    return stored().is_quantised(composition.module) || recipe_takes(composition.module);
  }

  // What is to be done with a holder that is there.
  Result<Structure> wanted_of(const Composition& composition) {
    if (!composition.is_stack()) return request_.layout.fused;
    const Structure asked = request_.layout.experts;
    const bool quantised =
        stored().is_quantised(composition.module) || recipe_takes_members(composition);
    const StackRule rule = request_.target.dialect->stacks;
    if (!quantised) return asked;
    if (asked == Structure::kMerged) RQ_CHECK(check_stack(composition));
    if (rule == StackRule::kNever) return Structure::kSplit;
    if (rule == StackRule::kAlways && asked == Structure::kSplit) {
      return refused(fmt::format("{}: {} has experts in stacks only", printable(composition.module),
                                 request_.target.dialect->name));
    }
    return asked;
  }

  // Whether the target can have a stack of quantised experts.
  Result<void> check_stack(const Composition& composition) const {
    if (request_.target.dialect->stacks != StackRule::kNever) return {};
    return refused(fmt::format("{}: {} has no stacks of experts", printable(composition.module),
                               request_.target.dialect->name));
  }

  // Asked first: looking for holders takes a while where there are many thousand experts.
  bool may_merge() const {
    return request_.layout.fused == Structure::kMerged ||
           request_.layout.experts == Structure::kMerged ||
           request_.target.dialect->stacks == StackRule::kAlways;
  }

  // Whether a member that is there is to become part of its holder.
  bool wants_merged(const Composition& composition, std::string_view module) {
    if (!composition.is_stack()) return request_.layout.fused == Structure::kMerged;
    if (request_.layout.experts == Structure::kMerged) return true;
    const bool must = request_.target.dialect->stacks == StackRule::kAlways &&
                      request_.layout.experts == Structure::kAsStored;
    return must && (stored().is_quantised(std::string(module)) || recipe_takes(module));
  }

  // Made when it is first asked for: most families have no such matrices.
  StoredModules& stored() {
    if (!out_.stored) out_.stored.emplace(checkpoint_);
    return *out_.stored;
  }

  bool recipe_takes(std::string_view module) const {
    if (request_.recipe == nullptr) return false;
    const auto scheme =
        request_.recipe->scheme_of(module, checkpoint_.architecture().module(module, 2));
    return scheme && *scheme;
  }

  bool recipe_takes_members(const Composition& composition) const {
    for (std::size_t i = 0; i < composition.members.size(); ++i) {
      if (recipe_takes(composition.member(i, 0))) return true;
    }
    return false;
  }

  // A module that is no part of a larger matrix is moved only where its sizes change.
  Result<void> visit_single(std::string_view module) {
    if (request_.padded_config == nullptr || !begun_.insert(std::string(module)).second) return {};
    const auto before = sizes_of(module, checkpoint_.config());
    const auto after = sizes_of(module, *request_.padded_config);
    if (before == after || before.size() != 2 || after.size() != 2) return {};
    Composition from{.module = std::string(module), .members = {{std::string(module), before[0]}}};
    Bundle bundle{.from = from, .to = from, .cols = after[1]};
    bundle.to.members[0].rows = after[0];
    return add_aspects(bundle);
  }

  std::vector<std::int64_t> sizes_of(std::string_view module, const Json& config) const {
    return checkpoint_.architecture().sizes(module, config);
  }

  bool is_padded(const Composition& composition) const {
    if (request_.padded_config == nullptr) return false;
    const std::string member = composition.member(0, 0);
    return sizes_of(member, checkpoint_.config()) != sizes_of(member, *request_.padded_config);
  }

  Result<void> add_bundle(Composition composition, Side source, Side target) {
    Bundle bundle{.from = std::move(composition), .to = {}, .source = source, .target = target};
    bundle.to = bundle.from;
    if (is_padded(bundle.from)) {
      const Json& padded = *request_.padded_config;
      bundle.to = *checkpoint_.architecture().composition(bundle.from.module, padded);
      const auto sizes = sizes_of(bundle.from.member(0, 0), padded);
      if (sizes.size() == 2) bundle.cols = sizes[1];
    }
    if (!bundle.from.is_known() || !bundle.to.is_known()) {
      return corrupt(printable(bundle.from.module) +
                     ": config.json does not say how its rows are divided");
    }
    return add_aspects(bundle);
  }

  Result<void> add_aspects(const Bundle& bundle) {
    RQ_CHECK_IN(add_aspect(bundle, Aspect::kWeight), printable(bundle.from.module));
    const bool is_same = bundle.source == bundle.target && bundle.from == bundle.to;
    if (is_same && bundle.cols == 0) return {};
    out_.changes_structure = true;
    RQ_CHECK_IN(add_aspect(bundle, Aspect::kBias), printable(bundle.from.module));
    return {};
  }

  // The matrices of a bundle as stored: by expert, then by member where each has its own.
  using Sources = std::vector<std::vector<StoredMatrix>>;

  Result<void> add_aspect(const Bundle& bundle, Aspect aspect) {
    RQ_TRY(const Sources sources, sources_of(bundle, aspect));
    if (sources.empty()) return {};
    const auto first = static_cast<std::uint32_t>(out_.results.size());
    const std::size_t first_job = out_.jobs.size();
    RQ_CHECK(add_results(bundle, aspect, sources));
    const auto experts = static_cast<std::int64_t>(sources.size());
    const std::size_t members = bundle.to.members.size();
    RegroupJob job;
    for (std::int64_t expert = 0; expert < experts; ++expert) {
      RegroupRound round{.sources = sources[static_cast<std::size_t>(expert)], .results = {}};
      if (bundle.target == Side::kHolder) {
        AssembledMatrix result{.result = first, .index = expert, .assembly = shape_of(first)};
        for (std::size_t i = 0; i < members; ++i) {
          add_member_rows(bundle.from, bundle.source, bundle.to, Side::kHolder, i,
                          bundle.source == Side::kHolder ? 0 : i, result.assembly);
        }
        round.results.push_back(std::move(result));
        job.rounds.push_back(std::move(round));
        continue;
      }
      for (std::size_t i = 0; i < members; ++i) {
        const auto at =
            first + static_cast<std::uint32_t>(static_cast<std::size_t>(expert) * members + i);
        AssembledMatrix result{.result = at, .index = 0, .assembly = shape_of(at)};
        add_member_rows(bundle.from, Side::kHolder, bundle.to, Side::kMembers, i, 0,
                        result.assembly);
        round.results.push_back(std::move(result));
      }
      out_.jobs.push_back({.rounds = {std::move(round)}});
    }
    if (!job.rounds.empty()) out_.jobs.push_back(std::move(job));
    return check_schemes(first_job);
  }

  Assembly shape_of(std::uint32_t result) const {
    const Regrouped& regrouped = out_.results[result];
    return {.rows = regrouped.matrix_rows(), .cols = regrouped.weight.cols, .runs = {}};
  }

  // The scheme of each result, which is that of its sources, or finer.
  Result<void> check_schemes(std::size_t first_job) {
    for (std::size_t i = first_job; i < out_.jobs.size(); ++i) {
      for (const RegroupRound& round : out_.jobs[i].rounds) {
        std::vector<WeightForm> forms;
        for (const StoredMatrix& source : round.sources) forms.push_back(form_of(source));
        for (const AssembledMatrix& result : round.results) {
          Regrouped& regrouped = out_.results[result.result];
          RQ_TRY_IN(Scheme scheme, assembled_scheme(result.assembly, forms),
                    printable(regrouped.weight.module));
          if (result.index > 0 && !(scheme == regrouped.weight.scheme)) {
            return refused(fmt::format("expert {} has {}, those before it {}", result.index,
                                       describe(scheme), describe(regrouped.weight.scheme)));
          }
          regrouped.weight.scheme = std::move(scheme);
        }
      }
    }
    return {};
  }

  Result<Sources> sources_of(const Bundle& bundle, Aspect aspect) {
    const Composition& from = bundle.from;
    Sources sources;
    if (bundle.source == Side::kHolder) {
      RQ_TRY(const auto whole, find_stored(from.module, aspect, from.is_stack() ? &from : nullptr));
      if (!whole) return sources;
      RQ_CHECK(check_rows(*whole, std::max<std::int64_t>(1, from.experts), from.rows(), aspect));
      for (std::int64_t expert = 0; expert < std::max<std::int64_t>(1, from.experts); ++expert) {
        StoredMatrix matrix = *whole;
        if (from.is_stack()) matrix.index = expert;
        sources.push_back({matrix});
      }
      return sources;
    }
    std::size_t missing = 0;
    std::string first_missing;
    for (std::int64_t expert = 0; expert < std::max<std::int64_t>(1, from.experts); ++expert) {
      std::vector<StoredMatrix> matrices;
      for (std::size_t i = 0; i < from.members.size(); ++i) {
        const std::string module = from.member(i, expert);
        RQ_TRY(const auto matrix, find_stored(module, aspect, nullptr));
        if (!matrix) {
          if (missing++ == 0) first_missing = module;
          continue;
        }
        RQ_CHECK(check_rows(*matrix, 1, member_rows(from, i), aspect));
        matrices.push_back(*matrix);
      }
      sources.push_back(std::move(matrices));
    }
    const std::size_t all = sources.size() * from.members.size();
    if (missing == all) return Sources();
    if (missing == 0) return sources;
    return refused(fmt::format("{} of its {} parts are not there, {}{} first", missing, all,
                               printable(first_missing), aspect == Aspect::kBias ? ".bias" : ""));
  }

  Result<std::optional<StoredMatrix>> find_stored(const std::string& module, Aspect aspect,
                                                  const Composition* stack) {
    RQ_TRY(auto matrix, stored().find(module, aspect, stack));
    if (!matrix) return matrix;
    for (const auto& [suffix, info] : matrix->weight->parts) out_.taken.insert(info);
    return matrix;
  }

  Result<void> add_results(const Bundle& bundle, Aspect aspect, const Sources& sources) {
    const Composition& to = bundle.to;
    const auto experts = static_cast<std::int64_t>(sources.size());
    std::vector<const TensorInfo*> stored;
    for (const auto& matrices : sources) {
      if (bundle.source == Side::kHolder && !stored.empty()) break;
      for (const StoredMatrix& matrix : matrices) {
        for (const auto& [suffix, info] : matrix.weight->parts) stored.push_back(info);
      }
    }
    if (bundle.target == Side::kHolder) {
      return add_result(to.module, to.rows() * experts, bundle, aspect, sources[0][0],
                        std::move(stored));
    }
    for (std::int64_t expert = 0; expert < experts; ++expert) {
      for (std::size_t i = 0; i < to.members.size(); ++i) {
        RQ_CHECK(add_result(to.member(i, expert), member_rows(to, i), bundle, aspect, sources[0][0],
                            stored));
      }
    }
    return {};
  }

  Result<void> add_result(std::string module, std::int64_t rows, const Bundle& bundle,
                          Aspect aspect, const StoredMatrix& example,
                          std::vector<const TensorInfo*> stored) {
    const bool is_bias = aspect == Aspect::kBias;
    const bool is_stack = bundle.target == Side::kHolder && bundle.to.is_stack();
    Regrouped regrouped;
    Weight& weight = regrouped.weight;
    weight.place = checkpoint_.architecture().module(module, is_stack ? 3 : 2);
    weight.module = std::move(module);
    weight.codec = example.weight->codec;
    weight.scheme = example.weight->scheme;
    weight.rows = rows;
    weight.cols = is_bias || bundle.cols == 0 ? example.weight->cols : bundle.cols;
    weight.experts = is_stack ? bundle.to.experts : 1;
    regrouped.is_stack = is_stack;
    regrouped.is_vector = is_bias;
    regrouped.transposed = is_stack && !is_bias &&
                           (bundle.source == Side::kHolder && example.weight->scheme.is_dense()
                                ? example.transposed
                                : bundle.to.transposed);
    regrouped.sources = std::move(stored);
    out_.results.push_back(std::move(regrouped));
    return {};
  }

  const Checkpoint& checkpoint_;
  const RegroupRequest& request_;
  Regrouping out_;
  std::set<std::string> begun_;
};

}  // namespace

std::string Regrouped::tensor_name(std::string_view suffix) const {
  if (!is_stack) return fmt::format("{}.{}", weight.module, suffix);
  return suffix == "weight" ? weight.module : fmt::format("{}_{}", weight.module, suffix);
}

Result<LayoutRequest> parse_layout(const std::vector<std::string>& words) {
  LayoutRequest request;
  for (const std::string& word : words) {
    const auto found = std::ranges::find(kLayoutWords, word, &LayoutWord::word);
    if (found == kLayoutWords.end()) {
      std::vector<std::string> known;
      for (const LayoutWord& row : kLayoutWords) known.emplace_back(row.word);
      return usage(fmt::format("--layout: {} is not known; there are {}", in_quotes(word),
                               join(known, ", ")));
    }
    Structure& value = request.*(found->what);
    if (value != Structure::kAsStored && value != found->value) {
      return usage("--layout: both split and merged");
    }
    value = found->value;
  }
  return request;
}

Result<Regrouping> regroup(const Checkpoint& checkpoint, const RegroupRequest& request) {
  if (!may_regroup(checkpoint, request)) return Regrouping();
  return Regrouper(checkpoint, request).run();
}

}  // namespace requant
