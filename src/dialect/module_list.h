#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "dialect/dialect.h"
#include "dialect/name_rules.h"

namespace requant {

// A config's list of modules, as transformers, ModelOpt and Quark write it. An entry covers the
// module of that name, all below it, and any whose name ends in ".ENTRY"; "*" stands for any text,
// dots included; "re:" begins a regular expression.
class ModuleList {
 public:
  ModuleList() = default;
  // What is no list of strings counts as empty; so does a pattern that is none.
  explicit ModuleList(const Json* list);

  bool covers(std::string_view module) const;
  bool empty() const { return names_.empty() && patterns_.empty(); }

 private:
  std::vector<std::string> names_;
  std::vector<NamePattern> patterns_;
};

// True when `text` is as `pattern` says; "*" is any text, "?" any character.
bool glob_matches(std::string_view pattern, std::string_view text);

// The two contradictions between such a list and the tensors. `where` is what the list is called:
// "quantization_config.modules_to_not_convert".
void check_module_list(const Facts& facts, const ModuleList& excluded, const std::string& where,
                       Resolution& resolution);

// The names of the modules that stay unquantised, for a list that is written.
Json unquantized_names(const ConfigRequest& request);

}  // namespace requant
