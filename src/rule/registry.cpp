#include <array>

#include "rule/rule.h"

namespace requant {

#define ENTRY(id) extern const RuleFamily k_rules_##id;
#include "families.def"
#undef ENTRY

std::span<const RuleFamily* const> rule_families() {
  static constexpr auto kFamilies = std::to_array<const RuleFamily*>({
#define ENTRY(id) &k_rules_##id,
#include "families.def"
#undef ENTRY
  });
  return kFamilies;
}

const Rule* find_rule(std::string_view id) {
  for (const RuleFamily* family : rule_families()) {
    for (const Rule& rule : family->rules) {
      if (rule.id == id) return &rule;
    }
  }
  return nullptr;
}

}  // namespace requant
