#include "dialect/name_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/pcre2.h"
#include "base/text.h"

namespace requant {
namespace {

// An honest pattern on a name of 100 characters takes a few thousand steps.
constexpr std::uint32_t kStepLimit = 200'000;
constexpr std::uint32_t kHeapLimitKiB = 4096;
constexpr std::size_t kPatternLimit = 4096;
constexpr std::size_t kEntriesLimit = 1'000'000;

using pcre2::reason_of;
using pcre2::units;

}  // namespace

struct NamePattern::Compiled {
  std::string text;
  pcre2::Code code;
  pcre2::MatchContext context;
  pcre2::MatchData data;
};

NamePattern::NamePattern(std::unique_ptr<Compiled> compiled) : compiled_(std::move(compiled)) {}
NamePattern::NamePattern(NamePattern&&) noexcept = default;
NamePattern& NamePattern::operator=(NamePattern&&) noexcept = default;
NamePattern::~NamePattern() = default;

Result<NamePattern> NamePattern::compile(std::string_view pattern) {
  if (pattern.size() > kPatternLimit) {
    return refused(
        fmt::format("pattern of {} bytes, expected at most {}", pattern.size(), kPatternLimit));
  }
  int error = 0;
  std::size_t offset = 0;
  auto compiled = std::make_unique<Compiled>();
  compiled->text = pattern;
  compiled->code.reset(
      pcre2_compile(units(pattern), pattern.size(),
                    PCRE2_ANCHORED | PCRE2_NEVER_UTF | PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C,
                    &error, &offset, nullptr));
  if (!compiled->code) {
    return corrupt(fmt::format("pattern {} is no regular expression: {} at {}", in_quotes(pattern),
                               reason_of(error), offset));
  }
  compiled->context.reset(pcre2_match_context_create(nullptr));
  compiled->data.reset(pcre2_match_data_create_from_pattern(compiled->code.get(), nullptr));
  if (!compiled->context || !compiled->data) return resource("no memory for a pattern");
  pcre2_set_match_limit(compiled->context.get(), kStepLimit);
  pcre2_set_depth_limit(compiled->context.get(), kStepLimit);
  pcre2_set_heap_limit(compiled->context.get(), kHeapLimitKiB);
  return NamePattern(std::move(compiled));
}

Result<bool> NamePattern::matches(std::string_view name) const {
  const int code = pcre2_match(compiled_->code.get(), units(name), name.size(), 0, 0,
                               compiled_->data.get(), compiled_->context.get());
  if (code >= 0) return true;
  if (code == PCRE2_ERROR_NOMATCH) return false;
  return refused(fmt::format("pattern {} takes too long on {}: {}", in_quotes(compiled_->text),
                             in_quotes(name), reason_of(code)));
}

bool tells_digits_apart(std::string_view pattern) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (std::ranges::any_of(pattern, is_digit)) return true;
  // References to what a named group matched.
  constexpr std::string_view kReferences[] = {"(?P=", "\\k", "\\g"};
  return std::ranges::any_of(kReferences, [&](std::string_view reference) {
    return pattern.find(reference) != std::string_view::npos;
  });
}

void blur_digits(std::string_view name, std::string& out) {
  out.assign(name);
  for (char& c : out) {
    if (c >= '0' && c <= '9') c = '0';
  }
}

Result<NameRules> NameRules::parse(std::vector<std::string> entries) {
  if (entries.size() > kEntriesLimit) return refused("a list of over a million names");
  NameRules rules;
  rules.entries_ = std::move(entries);
  for (std::size_t i = 0; i < rules.entries_.size(); ++i) {
    const std::string& entry = rules.entries_[i];
    if (entry.starts_with("re:")) {
      const std::string_view text = std::string_view(entry).substr(3);
      RQ_TRY(auto pattern, NamePattern::compile(text));
      const bool sees_digits = tells_digits_apart(text);
      rules.patterns_.push_back({std::move(pattern), i, sees_digits});
      rules.any_blind_ = rules.any_blind_ || !sees_digits;
    } else {
      rules.names_.try_emplace(entry, i);
    }
  }
  return rules;
}

Result<NameRules> NameRules::parse(const Json* list, std::string_view key) {
  std::vector<std::string> entries;
  if (list != nullptr && !list->is_null()) {
    if (!list->is_array()) return corrupt(fmt::format("'{}' is no list", key));
    for (const Json& item : list->items()) {
      if (!item.is_string()) return corrupt(fmt::format("'{}' holds what is no string", key));
      entries.emplace_back(*item.as_string());
    }
  }
  RQ_TRY_IN(auto rules, parse(std::move(entries)), fmt::format("'{}'", key));
  return rules;
}

Result<std::size_t> NameRules::first_blind_pattern(std::string_view module) const {
  if (!any_blind_) return kNone;
  blur_digits(module, blurred_);
  if (const auto at = known_.find(blurred_); at != known_.end()) return at->second;
  std::size_t first = kNone;
  for (const Pattern& pattern : patterns_) {
    if (pattern.sees_digits) continue;
    RQ_TRY(const bool matched, pattern.pattern.matches(module));
    if (!matched) continue;
    first = pattern.entry;
    break;
  }
  known_.emplace(blurred_, first);
  return first;
}

Result<std::size_t> NameRules::first_pattern(std::string_view module) const {
  RQ_TRY(const std::size_t blind, first_blind_pattern(module));
  for (const Pattern& pattern : patterns_) {
    if (pattern.entry > blind) break;
    if (!pattern.sees_digits) continue;
    RQ_TRY(const bool matched, pattern.pattern.matches(module));
    if (matched) return pattern.entry;
  }
  return blind;
}

Result<std::optional<NameRules::Hit>> NameRules::find(std::string_view module,
                                                      std::string_view class_name) const {
  if (const auto at = names_.find(module); at != names_.end()) {
    return std::optional(Hit{Rank::kName, at->second});
  }
  RQ_TRY(const std::size_t pattern, first_pattern(module));
  if (pattern != kNone) return std::optional(Hit{Rank::kPattern, pattern});
  if (class_name.empty()) return std::optional<Hit>();
  const auto at = names_.find(class_name);
  if (at == names_.end()) return std::optional<Hit>();
  return std::optional(Hit{Rank::kClass, at->second});
}

}  // namespace requant
