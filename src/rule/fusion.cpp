// Modules that engines load as one matrix, and experts that they load as one tensor.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/text.h"
#include "dialect/resolve.h"
#include "rule/cases.h"
#include "rule/run.h"

namespace requant {
namespace {

struct Group {
  std::vector<const Weight*> quantised;
  const DenseTensor* dense = nullptr;  // one of those that are not
};

// Modules by the name under which engines load them together, in the order of the weights.
std::vector<std::pair<std::string_view, Group>> groups_of(const Checkpoint& checkpoint) {
  std::vector<std::pair<std::string_view, Group>> groups;
  std::unordered_map<std::string_view, std::size_t> places;
  places.reserve(checkpoint.weights().size());
  for (const Weight& weight : checkpoint.weights()) {
    if (weight.place.fused.empty() || weight.place.fused == weight.module) continue;
    const auto [at, is_new] = places.emplace(weight.place.fused, groups.size());
    if (is_new) groups.emplace_back(weight.place.fused, Group());
    groups[at->second].second.quantised.push_back(&weight);
  }
  for (const DenseTensor& dense : checkpoint.dense()) {
    if (!dense.is_weight || !is_linear_like(dense.place.role)) continue;
    const auto group = places.find(dense.place.fused);
    if (group != places.end()) groups[group->second].second.dense = &dense;
  }
  return groups;
}

// Experts of one layer that engines load as one tensor: layer, tower, what follows the last dot.
using ExpertKey = std::tuple<int, Tower, std::string_view>;

bool same_kind(const Weight& a, const Weight& b) {
  return a.scheme.element == b.scheme.element && a.scheme.bits == b.scheme.bits &&
         a.scheme.grid == b.scheme.grid && a.scheme.activations == b.scheme.activations &&
         a.scheme.outer.has_value() == b.scheme.outer.has_value();
}

void look_for_mixed(RuleRun& run) {
  Cases cases;
  std::string what;
  for (const auto& [fused, group] : groups_of(run.checkpoint())) {
    const Weight& first = *group.quantised.front();
    const auto other = std::ranges::find_if(
        group.quantised, [&](const Weight* weight) { return !same_kind(first, *weight); });
    if (other == group.quantised.end() && group.dense == nullptr) continue;
    if (!cases.any()) {
      what =
          other != group.quantised.end()
              ? fmt::format("{} is {}, {} is {}", printable(first.module), describe(first.scheme),
                            printable((*other)->module), describe((*other)->scheme))
              : fmt::format("{} is quantised, {} is {}", printable(first.module),
                            printable(group.dense->module), name_of(group.dense->tensor->dtype));
    }
    cases.add(fused);
  }
  if (cases.any()) run.add(cases.first(), what + cases.others());
}

// The one value of that use which a weight has; nothing where it has none or several.
const ScaleFacts* only_scale(RuleRun& run, const Weight& weight, ScaleUse use) {
  for (const auto& [suffix, tensor] : weight.parts) {
    const auto [module, name] = split_tensor_name(tensor->name);
    const ScaleName* scale = scale_named(name);
    if (scale == nullptr || scale->use != use) continue;
    const ScaleFacts* facts = run.scales().find(module, name);
    return facts != nullptr && facts->count == 1 ? facts : nullptr;
  }
  return nullptr;
}

struct Uneven {
  Cases cases;
  double least = 0;
  double most = 0;
};

Uneven find_uneven(RuleRun& run, ScaleUse use) {
  Uneven found;
  const bool any = std::ranges::any_of(run.scales().all(), [&](const ScaleFacts& scale) {
    return scale.name->use == use && scale.count == 1;
  });
  if (!any) return found;
  for (const auto& [fused, group] : groups_of(run.checkpoint())) {
    std::set<double> values;
    for (const Weight* weight : group.quantised) {
      if (const ScaleFacts* scale = only_scale(run, *weight, use)) values.insert(scale->first);
    }
    if (values.size() < 2) continue;
    if (!found.cases.any()) {
      found.least = *values.begin();
      found.most = *values.rbegin();
    }
    found.cases.add(fused);
  }
  return found;
}

void say_uneven(RuleRun& run, ScaleUse use, std::string_view what) {
  const Uneven found = find_uneven(run, use);
  if (!found.cases.any()) return;
  run.add(found.cases.first(), fmt::format("its members have {} of {:.6g} and {:.6g}{}", what,
                                           found.least, found.most, found.cases.others()));
}

void look_for_uneven_globals(RuleRun& run) { say_uneven(run, ScaleUse::kOuter, "global scales"); }
void look_for_uneven_weights(RuleRun& run) { say_uneven(run, ScaleUse::kWeight, "scales"); }
void look_for_uneven_inputs(RuleRun& run) { say_uneven(run, ScaleUse::kInput, "input scales"); }

// Engines start such slots at 0 or at the lowest float, and some tools save them so.
void look_for_unset_slots(RuleRun& run) {
  constexpr std::uint64_t kMostSlots = 8;
  constexpr double kLowest = 1e30;
  Cases cases;
  for (const ScaleFacts& scale : run.scales().all()) {
    if (scale.count < 2 || scale.count > kMostSlots) continue;
    const auto slots = static_cast<std::int64_t>(scale.count);
    if (scale.weight != nullptr && scale.weight->rows == slots) continue;  // one a row
    const bool unset = scale.zero > 0 || scale.largest > kLowest || scale.not_finite > 0;
    if (unset && scale.zero < scale.count) cases.add(scale.tensor->name);
  }
  if (cases.any()) {
    run.add(cases.first(), "some of its slots were never set" + cases.others());
  }
}

void look_for_mixed_experts(RuleRun& run) {
  std::map<ExpertKey, const Weight*> first;
  Cases cases;
  std::string what;
  for (const Weight& weight : run.checkpoint().weights()) {
    if (weight.place.expert < 0) continue;
    const std::string_view name = std::string_view(weight.module);
    const ExpertKey key(weight.place.layer, weight.place.tower, name.substr(name.rfind('.') + 1));
    const auto [at, is_new] = first.emplace(key, &weight);
    if (is_new || same_kind(*at->second, weight)) continue;
    if (!cases.any()) {
      what = fmt::format("is {}, {} is {}", describe(weight.scheme), printable(at->second->module),
                         describe(at->second->scheme));
    }
    cases.add(weight.module);
  }
  if (cases.any()) run.add(cases.first(), what + cases.others());
}

void look_for_routers(RuleRun& run) {
  Cases cases;
  for (const Weight& weight : run.checkpoint().weights()) {
    if (weight.place.role == Role::kRouter) cases.add(weight.module);
  }
  if (cases.any()) run.add(cases.first(), "is a router, and quantised" + cases.others());
}

constexpr std::string_view kHarmonise = "requant convert --harmonise-fused gives them one";

constexpr auto kRules = std::to_array<Rule>({
    {.id = "fusion.mixed-scheme",
     .severity = Severity::kWarning,
     .text = "Modules that engines load as one matrix have different schemes.",
     .why = "engines refuse them, or load all as the first",
     .repair = "give all of them one scheme, or leave all unquantised",
     .threads = "vllm PR #11354, PR #41457, spark-vllm-docker #403",
     .look = look_for_mixed},
    {.id = "fusion.unequal-globals",
     .severity = Severity::kWarning,
     .text = "Modules that engines load as one matrix have different global scales.",
     .why = "engines take one of them for all: the other's weights come out wrong",
     .repair = kHarmonise,
     .threads = "vllm #54150, #54974",
     .depth = Depth::kScales,
     .look = look_for_uneven_globals},
    {.id = "fusion.unequal-scales",
     .severity = Severity::kInfo,
     .text = "Modules that engines load as one matrix have different scales of whole tensors.",
     .why = "engines take the largest and round the others' codes anew, or take one for all",
     .repair = kHarmonise,
     .threads = "sglang PR #29530",
     .depth = Depth::kScales,
     .look = look_for_uneven_weights},
    {.id = "fusion.unequal-inputs",
     .severity = Severity::kInfo,
     .text = "Modules that engines load as one matrix have different scales of their inputs.",
     .why = "the input is the same, and engines take the largest, or the first",
     .repair = kHarmonise,
     .threads = "sglang PR #29530",
     .depth = Depth::kScales,
     .look = look_for_uneven_inputs},
    {.id = "fusion.unset-slot",
     .severity = Severity::kError,
     .text = "A matrix that is stored fused has a slot of its scale that was never set.",
     .why = "a part of the matrix is scaled by 0, or by the lowest float",
     .threads = "vllm #39764",
     .depth = Depth::kScales,
     .look = look_for_unset_slots},
    {.id = "fusion.mixed-experts",
     .severity = Severity::kWarning,
     .text = "Experts of one layer have different schemes.",
     .why = "engines load the experts of a layer as one tensor of one scheme",
     .repair = "quantise them alike",
     .threads = "Model-Optimizer PR #1354",
     .look = look_for_mixed_experts},
    {.id = "fusion.router",
     .severity = Severity::kWarning,
     .text = "A router is quantised.",
     .why = "engines build routers unquantised: KeyError mlp.gate.qweight",
     .repair = "leave routers unquantised",
     .threads = "vllm #25029, auto-round #586",
     .look = look_for_routers},
});

}  // namespace

extern const RuleFamily k_rules_fusion;
const RuleFamily k_rules_fusion = {
    .name = "fusion",
    .text = "modules and experts that engines load as one",
    .rules = kRules,
};

}  // namespace requant
