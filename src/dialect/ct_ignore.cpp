#include "dialect/ct_ignore.h"

#include <algorithm>
#include <set>
#include <unordered_set>

#include "arch/pattern_tree.h"
#include "base/text.h"
#include "dialect/name_rules.h"

namespace requant {
namespace {

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view(".^$*+?()[]{}|\\").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

using Prefixes = std::unordered_set<std::string_view>;

bool is_of_tower(const TargetWeight& weight) { return weight.place.tower != Tower::kLanguage; }

// Every leading run of components of the quantised modules' names: "model", "model.layers", ...
// Nothing where no module of a tower stays unquantised: nobody asks then.
Prefixes prefixes_of(const ConfigRequest& request) {
  Prefixes prefixes;
  if (std::ranges::none_of(request.unquantized, is_of_tower)) return prefixes;
  for (const TargetWeight& weight : request.quantized) {
    const std::string_view module = weight.module;
    // From the longest on: shorter ones are there with the first that is.
    bool is_new = prefixes.insert(module).second;
    for (std::size_t at = module.rfind('.'); is_new && at != std::string_view::npos && at > 0;
         at = module.rfind('.', at - 1)) {
      is_new = prefixes.insert(module.substr(0, at)).second;
    }
  }
  return prefixes;
}

// "vision_model.encoder.layers.3.mlp.fc1" -> "re:vision_model.*".
std::string tower_pattern(std::string_view module, const Prefixes& quantised) {
  std::size_t at = module.find('.');
  while (at != std::string_view::npos && quantised.contains(module.substr(0, at))) {
    at = module.find('.', at + 1);
  }
  if (at == std::string_view::npos) return std::string(module);
  return "re:" + escaped(module.substr(0, at)) + ".*";
}

// "model.layers.3.mlp.gate" -> "re:model\.layers\.\d+\.mlp\.gate$"; a name without numbers stays.
std::string layer_pattern(std::string_view module) {
  std::string pattern;
  bool numbered = false;
  for (const std::string_view component : split(module, '.')) {
    if (!pattern.empty()) pattern += "\\.";
    const bool is_number = number_component(component) >= 0;
    numbered = numbered || is_number;
    pattern += is_number ? "\\d+" : escaped(component);
  }
  return numbered ? "re:" + pattern + "$" : std::string(module);
}

Result<bool> covers(const std::vector<std::string>& entries, const ConfigRequest& request) {
  RQ_TRY(const NameRules rules, NameRules::parse(entries));
  for (const TargetWeight& weight : request.unquantized) {
    RQ_TRY(const auto hit, rules.find(weight.module, ct_class_of(weight.place.role)));
    if (!hit) return false;
  }
  for (const TargetWeight& weight : request.quantized) {
    RQ_TRY(const auto hit, rules.find(weight.module, ct_class_of(weight.place.role)));
    if (hit) return false;
  }
  return true;
}

}  // namespace

std::string_view ct_class_of(Role role) {
  switch (role) {
    case Role::kLinear:
    case Role::kExpert:
    case Role::kLmHead:
    case Role::kRouter:
      return "Linear";
    case Role::kEmbedding:
      return "Embedding";
    default:
      return "";
  }
}

Result<std::vector<std::string>> ct_ignore_list(const ConfigRequest& request) {
  const Prefixes quantised = prefixes_of(request);
  std::vector<std::string> entries;
  std::set<std::string> seen;
  for (const bool towers : {true, false}) {
    for (const TargetWeight& weight : request.unquantized) {
      if (is_of_tower(weight) != towers) continue;
      std::string entry =
          towers ? tower_pattern(weight.module, quantised) : layer_pattern(weight.module);
      if (seen.insert(entry).second) entries.push_back(std::move(entry));
    }
  }
  RQ_TRY(const bool exact, covers(entries, request));
  if (exact) return entries;

  entries.clear();
  for (const TargetWeight& weight : request.unquantized) entries.push_back(weight.module);
  RQ_TRY(const bool named, covers(entries, request));
  if (!named) return refused("no ignore list tells the unquantised modules from the others");
  return entries;
}

}  // namespace requant
