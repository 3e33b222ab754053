#include "dialect/ct_resolve.h"

#include <fmt/format.h>

#include <optional>
#include <utility>
#include <vector>

#include "base/text.h"
#include "base/threads.h"
#include "dialect/ct_ignore.h"
#include "dialect/ct_report.h"
#include "dialect/ct_store.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

constexpr std::string_view kLanguagePrefix = "language_model.";

class Resolver {
 public:
  Resolver(const Facts& facts, const CtConfig& config, const std::string& where, bool nested)
      : facts_(facts), config_(config), where_(where), nested_(nested) {
    found_.ignore_used.resize(config.ignore.entries().size());
  }

  Result<Resolution> run() && {
    const auto merged = ct_merged_modules(facts_.modules);
    const auto& modules = merged ? *merged : facts_.modules.modules();
    std::vector<Seen> seen = look_at(modules);
    for (Seen& module : seen) RQ_CHECK(claim(module));
    std::erase_if(seen, [](const Seen& module) { return module.form == nullptr; });
    RQ_CHECK(add_weights(seen));
    for (Finding& finding : ct_findings(found_, config_, where_, facts_)) {
      resolution_.findings.push_back(std::move(finding));
    }
    return std::move(resolution_);
  }

 private:
  struct Claim {
    const CtGroup* group = nullptr;
    bool ignored = false;
  };

  // A module that may be somebody's target.
  struct Seen {
    const ModuleTensors* module = nullptr;
    const CtForm* form = nullptr;  // nullptr: not quantised
    bool has_scale = false;
    Module place;
    Claim claim;
  };

  // So many modules are worth a thread of their own.
  static constexpr std::size_t kGrain = 256;

  std::vector<Seen> look_at(const std::vector<ModuleTensors>& modules) const {
    std::vector<Seen> seen(modules.size());
    parallel_for(modules.size(), kGrain, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) seen[i] = look_at(modules[i]);
    });
    std::erase_if(seen, [](const Seen& module) { return module.module == nullptr; });
    return seen;
  }

  // No module where it is nobody's target.
  Seen look_at(const ModuleTensors& module) const {
    Seen seen{.module = &module,
              .form = ct_form_of(module),
              .has_scale = module.find("weight_scale") != nullptr,
              .place = {},
              .claim = {}};
    const bool is_quantised = seen.form != nullptr || seen.has_scale;
    if (!is_quantised && module.find("weight") == nullptr) return {};
    seen.place = place_of(module, facts_);
    // Embeddings, norms and biases of other modules are nobody's target here.
    return is_quantised || is_dense_linear(module, seen.place) ? seen : Seen();
  }

  Result<std::optional<NameRules::Hit>> find(const NameRules& rules, std::string_view module,
                                             std::string_view class_name) const {
    RQ_TRY(auto hit, rules.find(module, class_name));
    if (hit || !nested_ || !module.starts_with(kLanguagePrefix)) return hit;
    return rules.find(module.substr(kLanguagePrefix.size()), class_name);
  }

  Result<Claim> claim_of(std::string_view module, Role role, bool is_quantised) {
    Claim claim;
    const std::string_view class_name = ct_class_of(role);
    RQ_TRY_IN(const auto ignored, find(config_.ignore, module, class_name), where_ + ".ignore");
    if (ignored) {
      found_.ignore_used[ignored->entry] = true;
      claim.ignored = true;
      return claim;
    }
    auto best = NameRules::Rank::kClass;
    for (const CtGroup& group : config_.groups) {
      // A group without weights states activations only, beside another that has them.
      if (is_quantised && !group.quantises) continue;
      RQ_TRY_IN(const auto hit, find(group.targets, module, class_name), where_ + ".targets");
      if (!hit || (claim.group != nullptr && hit->rank >= best)) continue;
      claim.group = &group;
      best = hit->rank;
    }
    if (claim.group != nullptr && !claim.group->quantises) claim.group = nullptr;
    return claim;
  }

  Result<void> claim(Seen& seen) {
    RQ_TRY(seen.claim, claim_of(seen.module->module, seen.place.role, seen.form != nullptr));
    return seen.form == nullptr ? note_dense(seen) : Result<void>();
  }

  Result<void> note_dense(const Seen& seen) {
    const ModuleTensors& module = *seen.module;
    if (module.find("weight") == nullptr) {
      return corrupt(fmt::format("{}, and there is no weight beside it",
                                 describe(*module.find("weight_scale"))));
    }
    if (seen.has_scale) found_.fake_quantised.add(module.module);
    if (seen.claim.group == nullptr || seen.has_scale) return {};
    (seen.place.role == Role::kRouter ? found_.dense_routers : found_.targeted_dense)
        .add(module.module);
    return {};
  }

  // The weights of quantised modules, in their order.
  Result<void> add_weights(std::vector<Seen>& seen) {
    std::vector<Weight>& weights = resolution_.weights;
    weights.resize(seen.size());
    const auto on_run = [&](std::size_t begin, std::size_t end) -> Result<void> {
      CtStore store(config_, facts_.source);
      for (std::size_t i = begin; i < end; ++i) {
        RQ_TRY(weights[i], weight_of(store, seen[i]));
      }
      return {};
    };
    RQ_CHECK(try_parallel_for(seen.size(), kGrain, thread_limit(), on_run));
    for (std::size_t i = 0; i < seen.size(); ++i) note_quantised(seen[i], weights[i]);
    return {};
  }

  Result<Weight> weight_of(CtStore& store, Seen& seen) const {
    const CtGroup* group = seen.claim.group;
    if (group == nullptr && !config_.groups.empty()) group = &config_.groups.front();
    return store.weight_of(*seen.form, *seen.module, std::move(seen.place),
                           group == nullptr ? undeclared_ : group->declared);
  }

  void note_quantised(const Seen& seen, const Weight& weight) {
    const std::string_view module = seen.module->module;
    if (seen.claim.group != nullptr) {
      check_declared(*seen.module, weight, *seen.claim.group);
    } else if (!weight.scheme.is_dense()) {
      (seen.claim.ignored ? found_.ignored_quantised : found_.untargeted).add(module);
    }
    if (weight.codec->decode == nullptr) found_.not_decoded.add(module);
  }

  void check_declared(const ModuleTensors& module, const Weight& weight, const CtGroup& group) {
    const Scheme& stored = weight.scheme;
    if (stored.element != group.declared.element || stored.bits != group.declared.bits) {
      found_.other_element.add(module.module);
    }
    if (stored.grid != group.declared.grid) found_.other_grid.add(module.module);
    const std::string& format = group.format.empty() ? config_.format : group.format;
    if (!ct_format_fits(format, *weight.codec)) found_.other_format.add(module.module);
  }

  const Facts& facts_;
  const CtConfig& config_;
  const std::string& where_;
  bool nested_;
  const Scheme undeclared_ = {};
  Resolution resolution_;
  CtDisagreements found_;
};

}  // namespace

Result<Resolution> ct_resolve(const Facts& facts, const CtConfig& config, const std::string& where,
                              bool nested) {
  return Resolver(facts, config, where, nested).run();
}

}  // namespace requant
