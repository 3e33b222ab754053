#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "arch/architecture.h"
#include "arch/family.h"
#include "arch/pattern_tree.h"

namespace requant {

// A family as one config.json composes it: the family of the model and those of its parts.
struct Architecture::Data {
  struct Part {
    const Family* family = nullptr;
    std::string prefix;  // of tensor names, with its dot; empty: none
    std::string config;  // key of the sub-config; empty: config.json itself
    Tower tower = Tower::kLanguage;
  };
  struct Row {
    const ModuleRow* row = nullptr;
    std::size_t part = 0;
  };
  std::string name;
  std::string source;
  bool known = false;
  std::vector<Part> parts;     // the model itself first
  std::deque<Family> renamed;  // families whose names are others in this model
  std::vector<Row> rows;
  PatternTree patterns;  // whole names -> index into rows
  PatternTree members;   // names of what a row holds -> index of that row
};

// The whole pattern of a member, without the part's prefix.
std::string member_pattern(const ModuleRow& row, const HoldsRow::Member& member);

// The config that holds a part's keys: config.json or one of its objects. nullptr when it is
// missing.
const Json* config_of(const Architecture::Data::Part& part, const Json& config);

// Whether an earlier part is the same one under other tensor names.
bool is_spelling_of_another(const Architecture::Data& data, std::size_t part);

}  // namespace requant
