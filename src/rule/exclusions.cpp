#include "rule/exclusions.h"

#include <algorithm>
#include <optional>
#include <unordered_set>

#include "checkpoint/tied_head.h"
#include "dialect/ct_config.h"
#include "dialect/module_list.h"
#include "dialect/name_rules.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

constexpr std::string_view kLists[] = {"modules_to_not_convert", "ignored_layers",
                                       "exclude_modules", "exclude", "ignore"};
// Entries that no name equals are compared with every module: lists of strangers may be long.
constexpr int kMostSearches = 100;

// The modules of a checkpoint by name; collected when they are first asked for.
class Names {
 public:
  explicit Names(const Checkpoint& checkpoint) : checkpoint_(checkpoint) {}

  bool has(std::string_view name) {
    collect();
    return known_.contains(name);
  }
  template <class Test>
  std::string_view first(const Test& test) {
    collect();
    const auto at = std::ranges::find_if(names_, test);
    return at == names_.end() ? std::string_view() : *at;
  }

 private:
  void collect() {
    if (!names_.empty()) return;
    for (const Weight& weight : checkpoint_.weights()) add(weight.module);
    for (const DenseTensor& dense : checkpoint_.dense()) add(dense.module);
  }
  void add(std::string_view name) {
    if (known_.insert(name).second) names_.push_back(name);
  }
  const Checkpoint& checkpoint_;
  std::vector<std::string_view> names_;
  std::unordered_set<std::string_view> known_;
};

// "visual" in "model.visual.blocks.0", "attn.qkv" in "blocks.0.attn.qkv": whole components.
bool has_components(std::string_view module, std::string_view entry) {
  for (std::size_t at = module.find(entry); at != std::string_view::npos;
       at = module.find(entry, at + 1)) {
    const std::size_t end = at + entry.size();
    if ((at == 0 || module[at - 1] == '.') && (end == module.size() || module[end] == '.')) {
      return true;
    }
  }
  return false;
}

bool is_pattern(std::string_view entry) {
  return entry.starts_with("re:") || entry.find_first_of("*?") != std::string_view::npos;
}

// The first module that a pattern covers as some engine compares it; "re:" from the start of the
// name.
std::string_view first_by_pattern(Names& names, const std::string& entry) {
  if (entry.starts_with("re:")) {
    const auto pattern = NamePattern::compile(entry.substr(3));
    if (!pattern) return {};
    return names.first([&](std::string_view module) {
      const auto match = pattern->matches(module);
      return match && *match;
    });
  }
  return names.first([&](std::string_view module) {
    return glob_matches(entry, module) || glob_matches("*" + entry + "*", module);
  });
}

// A head that is tied to the embedding is named by every tool and stored by none.
bool is_usual(std::string_view entry) {
  return entry.ends_with("lm_head") || entry.ends_with("lm_head*") || entry.ends_with("output");
}

}  // namespace

Exclusions::Exclusions(const Checkpoint& checkpoint) {
  if (checkpoint.dialect().name == "compressed-tensors" || checkpoint.weights().empty()) return;
  Names names(checkpoint);
  int searches = 0;
  for (const ConfigBlock& block :
       find_config_blocks(checkpoint.config(), checkpoint.architecture())) {
    for (const std::string_view key : kLists) {
      for (std::string& entry : strings_of(block.block->find(key))) {
        if (entry.empty() || is_usual(entry) || names.has(entry)) continue;
        if (++searches > kMostSearches) return;
        const std::string where = name_of(block) + "." + std::string(key);
        if (is_pattern(entry)) {
          if (first_by_pattern(names, entry).empty()) stale_.push_back({where, entry, {}});
          continue;
        }
        const auto by_path =
            names.first([&](std::string_view module) { return has_components(module, entry); });
        if (!by_path.empty()) continue;
        const auto by_part = names.first(
            [&](std::string_view module) { return module.find(entry) != std::string_view::npos; });
        auto& list = by_part.empty() ? stale_ : substrings_;
        list.push_back({where, std::move(entry), std::string(by_part)});
      }
    }
  }
}

std::vector<Exclusion> stale_targets(const Checkpoint& checkpoint) {
  std::vector<Exclusion> stale;
  if (checkpoint.dialect().name != "compressed-tensors") return stale;
  Names names(checkpoint);
  for (const ConfigBlock& block :
       find_config_blocks(checkpoint.config(), checkpoint.architecture())) {
    const Json* groups = block.block->find("config_groups");
    if (groups == nullptr) continue;
    for (const auto& [group, value] : groups->members()) {
      for (std::string& entry : strings_of(value.find("targets"))) {
        const bool is_class = entry.find_first_of(".:") == std::string::npos;
        if (is_class || names.has(entry)) continue;
        const bool matches = entry.starts_with("re:") && !first_by_pattern(names, entry).empty();
        if (matches || static_cast<int>(stale.size()) >= kMostSearches) continue;
        std::string example;
        for (const Weight& weight : checkpoint.weights()) {
          if (weight.place.fused == entry) example = weight.module;
        }
        stale.push_back({name_of(block) + ".config_groups." + group + ".targets", std::move(entry),
                         std::move(example)});
      }
    }
  }
  return stale;
}

std::string unlisted_tied_head(const Checkpoint& checkpoint) {
  if (checkpoint.dialect().name != "compressed-tensors" || checkpoint.weights().empty()) return {};
  const std::string head = tied_head(checkpoint);
  const auto is_head = [](const auto& stored) {
    return stored.place.role == Role::kLmHead && stored.place.layer < 0;
  };
  if (head.empty() || std::ranges::any_of(checkpoint.weights(), is_head) ||
      std::ranges::any_of(checkpoint.dense(), is_head)) {
    return {};
  }
  for (const ConfigBlock& block :
       find_config_blocks(checkpoint.config(), checkpoint.architecture())) {
    const auto config = parse_ct_config(*block.block);
    if (!config) continue;
    const auto covers = [&](const NameRules& rules) {
      const auto hit = rules.find(head, "Linear");
      return hit && hit->has_value();
    };
    const auto takes = [&](const CtGroup& group) {
      return group.quantises && covers(group.targets);
    };
    if (!covers(config->ignore) && std::ranges::any_of(config->groups, takes)) return head;
  }
  return {};
}

}  // namespace requant
