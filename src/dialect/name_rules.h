#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace requant {

// A Python regular expression, matched as re.match does: from the start of the name, not to its
// end. Patterns come from strangers: the work of one match is bounded.
class NamePattern {
 public:
  static Result<NamePattern> compile(std::string_view pattern);
  NamePattern(NamePattern&&) noexcept;
  NamePattern& operator=(NamePattern&&) noexcept;
  ~NamePattern();

  // kRefused when the match takes more steps than any honest pattern needs.
  Result<bool> matches(std::string_view name) const;

 private:
  struct Compiled;
  explicit NamePattern(std::unique_ptr<Compiled> compiled);
  std::unique_ptr<Compiled> compiled_;
};

// A `targets` or `ignore` list of compressed-tensors: names, "re:PATTERN", or names of classes.
class NameRules {
 public:
  // In the order in which they are tried.
  enum class Rank { kName, kPattern, kClass };
  struct Hit {
    Rank rank = Rank::kName;
    std::size_t entry = 0;  // index into entries()
  };

  static Result<NameRules> parse(std::vector<std::string> entries);
  // A JSON list of strings; null counts as empty. `key` is what messages call it.
  static Result<NameRules> parse(const Json* list, std::string_view key);

  // `class_name` is the module's class as far as it is known ("Linear"), or empty.
  Result<std::optional<Hit>> find(std::string_view module, std::string_view class_name) const;

  const std::vector<std::string>& entries() const { return entries_; }

 private:
  std::vector<std::string> entries_;
  std::unordered_map<std::string, std::size_t> names_;
  std::vector<std::pair<NamePattern, std::size_t>> patterns_;
};

}  // namespace requant
