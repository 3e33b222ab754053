#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "arch/architecture.h"
#include "base/json.h"
#include "dialect/name_rules.h"
#include "plan/scheme_name.h"

namespace requant {

// Which weights are quantised, and to what. As a file:
//
//   {"scheme": "w4a16", "ignore": ["lm_head", "vision", "re:.*mlp.gate$"],
//    "rules": [{"match": ["re:.*down_proj"], "scheme": "w8a16"}]}
//
// An entry of `ignore` is a role (lm_head, router), a tower (vision, audio, projector), a module's
// name or "re:PATTERN" (a Python expression, from the start of the name). The first rule that
// matches counts; where none does, `scheme`. Only matrices of Linear modules and experts, and
// lm_head and router where `ignore` does not name them, are ever quantised.
class Recipe {
 public:
  // lm_head, router and every tower but the language model.
  static std::vector<std::string> usual_ignore();

  // kUsage for a scheme or a pattern that is none.
  static Result<Recipe> make(std::string_view scheme, std::vector<std::string> ignore);
  // kUsage also for keys that are not known. `scheme`, where not empty, replaces the file's.
  static Result<Recipe> parse(const Json& file, std::string_view scheme);

  // The scheme of a weight [rows, cols]; nothing where it stays as it is.
  Result<std::optional<SchemeRequest>> scheme_of(std::string_view module,
                                                 const Module& place) const;

 private:
  struct Rule {
    NameRules match;
    SchemeRequest scheme;
  };

  Result<bool> ignores(std::string_view module, const Module& place) const;

  SchemeRequest scheme_;
  std::vector<std::string> ignored_words_;  // roles and towers
  NameRules ignored_names_;
  std::vector<Rule> rules_;
};

}  // namespace requant
