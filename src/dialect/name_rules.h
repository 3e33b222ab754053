#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
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

// Whether a pattern may tell one digit from another: those that cannot answer alike for all layers.
bool tells_digits_apart(std::string_view pattern);

// `name` with a 0 for every digit: what the other patterns see of it.
void blur_digits(std::string_view name, std::string& out);

// Lets maps of strings be searched with a string_view.
struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>()(text);
  }
};

// A `targets` or `ignore` list of compressed-tensors: names, "re:PATTERN", or names of classes.
// Remembers answers, so not for several threads at once.
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
  struct Pattern {
    NamePattern pattern;
    std::size_t entry = 0;
    bool sees_digits = false;
  };
  static constexpr std::size_t kNone = SIZE_MAX;

  Result<std::size_t> first_pattern(std::string_view module) const;
  Result<std::size_t> first_blind_pattern(std::string_view module) const;

  std::vector<std::string> entries_;
  std::unordered_map<std::string, std::size_t, TextHash, std::equal_to<>> names_;
  std::vector<Pattern> patterns_;
  bool any_blind_ = false;
  // Answers of the patterns that do not see digits, by the name without them.
  mutable std::unordered_map<std::string, std::size_t, TextHash, std::equal_to<>> known_;
  mutable std::string blurred_;
};

}  // namespace requant
