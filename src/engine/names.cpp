#include "engine/names.h"

#include <optional>
#include <unordered_set>

#include "dialect/name_rules.h"

namespace requant {

namespace {

// A pattern that may not be one: then its answers are not known.
class Regex {
 public:
  explicit Regex(std::string_view text) {
    if (auto pattern = NamePattern::compile(text)) pattern_ = *std::move(pattern);
  }

  Truth matches(std::string_view name) const {
    if (!pattern_) return Truth::kUnknown;
    const auto match = pattern_->matches(name);
    return match ? truth_of(*match) : Truth::kUnknown;
  }

 private:
  std::optional<NamePattern> pattern_;
};

}  // namespace

struct NameList::Impl {
  std::unordered_set<std::string, TextHash, std::equal_to<>> exact;
  std::vector<std::string> parts;
  std::vector<Regex> blind;    // do not see digits: their answers depend on the name's shape
  std::vector<Regex> sighted;  // the others
  mutable std::unordered_map<std::string, Truth, TextHash, std::equal_to<>> known;
  mutable std::string shape;

  Truth by_shape(std::string_view name) const {
    if (blind.empty()) return Truth::kNo;
    blur_digits(name, shape);
    if (const auto entry = known.find(shape); entry != known.end()) return entry->second;
    Truth truth = Truth::kNo;
    for (const Regex& regex : blind) truth = truth | regex.matches(shape);
    known.emplace(shape, truth);
    return truth;
  }
};

NameList::NameList(const std::vector<std::string>& entries, NameMatch match)
    : impl_(std::make_unique<Impl>()), count_(entries.size()) {
  for (const std::string& entry : entries) {
    if (match == NameMatch::kExactOrRegex && entry.starts_with("re:")) {
      const std::string pattern = entry.substr(3);
      (tells_digits_apart(pattern) ? impl_->sighted : impl_->blind).emplace_back(pattern);
    } else if (match == NameMatch::kSubstring) {
      impl_->parts.push_back(entry);
    } else {
      impl_->exact.insert(entry);
    }
  }
}

NameList::~NameList() = default;
NameList::NameList(NameList&&) noexcept = default;
NameList& NameList::operator=(NameList&&) noexcept = default;

Truth NameList::contains(std::string_view name) const {
  if (!impl_->exact.empty() && impl_->exact.contains(name)) return Truth::kYes;
  for (const std::string& part : impl_->parts) {
    if (name.find(part) != std::string_view::npos) return Truth::kYes;
  }
  Truth truth = impl_->by_shape(name);
  for (const Regex& regex : impl_->sighted) {
    if (truth == Truth::kYes) break;
    truth = truth | regex.matches(name);
  }
  return truth;
}

}  // namespace requant
