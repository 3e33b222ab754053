#include "dialect/ct_resolve.h"

#include <fmt/format.h>

#include "base/text.h"
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
      : facts_(facts),
        config_(config),
        where_(where),
        nested_(nested),
        store_(config, facts.source) {
    found_.ignore_used.resize(config.ignore.entries().size());
  }

  Result<Resolution> run() && {
    const auto merged = ct_merged_modules(facts_.modules);
    resolution_.weights.reserve(facts_.modules.modules().size());
    for (const ModuleTensors& module : merged ? *merged : facts_.modules.modules()) {
      RQ_CHECK(add(module));
    }
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

  Result<void> add(const ModuleTensors& module) {
    const CtForm* form = ct_form_of(module);
    const bool has_scale = module.find("weight_scale") != nullptr;
    if (form == nullptr && !has_scale && module.find("weight") == nullptr) return {};
    const Module place = place_of(module, facts_);
    // Embeddings, norms and biases of other modules are nobody's target here.
    if (form == nullptr && !has_scale && !is_dense_linear(module, place)) return {};
    RQ_TRY(const Claim claim, claim_of(module.module, place.role, form != nullptr));
    if (form == nullptr) return add_dense(module, place, claim, has_scale);
    return add_quantised(*form, module, place, claim);
  }

  Result<void> add_dense(const ModuleTensors& module, const Module& place, const Claim& claim,
                         bool has_scale) {
    if (module.find("weight") == nullptr) {
      return corrupt(fmt::format("{}, and there is no weight beside it",
                                 describe(*module.find("weight_scale"))));
    }
    if (has_scale) found_.fake_quantised.add(module.module);
    if (claim.group == nullptr || has_scale) return {};
    (place.role == Role::kRouter ? found_.dense_routers : found_.targeted_dense).add(module.module);
    return {};
  }

  Result<void> add_quantised(const CtForm& form, const ModuleTensors& module, const Module& place,
                             const Claim& claim) {
    const CtGroup* group = claim.group;
    if (group == nullptr && !config_.groups.empty()) group = &config_.groups.front();
    RQ_TRY(Weight weight,
           store_.weight_of(form, module, place, group == nullptr ? undeclared_ : group->declared));
    if (claim.group != nullptr) {
      check_declared(module, weight, *claim.group);
    } else if (!weight.scheme.is_dense()) {
      (claim.ignored ? found_.ignored_quantised : found_.untargeted).add(module.module);
    }
    if (weight.codec->decode == nullptr) found_.not_decoded.add(module.module);
    resolution_.weights.push_back(std::move(weight));
    return {};
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
  CtStore store_;
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
