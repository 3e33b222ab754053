#include "dialect/module_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "dialect/resolve.h"

namespace requant {
namespace {

bool is_glob(std::string_view name) { return name.find_first_of("*?") != std::string_view::npos; }

bool covers_name(std::string_view entry, std::string_view module) {
  if (is_glob(entry)) {
    return glob_matches(entry, module) || glob_matches(std::string(entry) + ".*", module);
  }
  if (!module.starts_with(entry)) {
    return module.ends_with(entry) && module[module.size() - entry.size() - 1] == '.';
  }
  return module.size() == entry.size() || module[entry.size()] == '.';
}

}  // namespace

bool glob_matches(std::string_view pattern, std::string_view text) {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;  // the last "*" and what it stood for so far
  std::size_t taken = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      taken = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++taken;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

ModuleList::ModuleList(const Json* list) {
  for (std::string& entry : strings_of(list)) {
    if (entry.empty()) continue;
    if (!entry.starts_with("re:")) {
      names_.push_back(std::move(entry));
    } else if (auto pattern = NamePattern::compile(entry.substr(3))) {
      patterns_.push_back(*std::move(pattern));
    }
  }
}

bool ModuleList::covers(std::string_view module) const {
  return std::any_of(names_.begin(), names_.end(),
                     [&](const std::string& name) { return covers_name(name, module); }) ||
         std::any_of(patterns_.begin(), patterns_.end(), [&](const NamePattern& pattern) {
           const auto match = pattern.matches(module);
           return match && *match;
         });
}

void check_module_list(const Facts& facts, const ModuleList& excluded, const std::string& where,
                       Resolution& resolution) {
  Modules quantised;
  std::unordered_set<std::string_view> known;
  for (const Weight& weight : resolution.weights) {
    known.insert(weight.module);
    if (excluded.covers(weight.module)) quantised.add(weight.module);
  }
  if (quantised.any()) {
    resolution.findings.push_back(
        make_finding(Severity::kError, "config.excluded-but-quantised", "config.json",
                     fmt::format("'{}' names {}, which is quantised", where, quantised.text())));
  }
  Modules forgotten;
  for (const ModuleTensors& module : facts.modules.modules()) {
    const Module place = place_of(module, facts);
    if (place.role == Role::kLmHead || place.role == Role::kRouter) continue;
    if (known.contains(module.module) || !is_dense_linear(module, place)) continue;
    if (!excluded.covers(module.module)) forgotten.add(module.module);
  }
  if (!forgotten.any() || resolution.weights.empty()) return;
  Finding& finding = resolution.findings.emplace_back(make_finding(
      Severity::kWarning, "config.targeted-but-dense", "config.json",
      fmt::format("'{}' does not name {}, which is stored unquantised", where, forgotten.text())));
  finding.why = "engines build every Linear quantised that is not named there";
  finding.repair = "requant convert writes the list";
}

Json unquantized_names(const ConfigRequest& request) {
  Json names = Json::array();
  for (const TargetWeight& weight : request.unquantized) names.append(weight.module);
  return names;
}

}  // namespace requant
