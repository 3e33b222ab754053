#include "engine/names.h"

#include <algorithm>
#include <optional>
#include <unordered_set>

#include "dialect/name_rules.h"

namespace requant {

namespace {

bool has_digit(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// "model.layers.17.mlp" -> "model.layers.00.mlp": what a pattern without digits cannot tell apart.
void shape_of(std::string_view name, std::string& shape) {
  shape.assign(name);
  for (char& c : shape) {
    if (c >= '0' && c <= '9') c = '0';
  }
}

// Lets a set of strings be searched with a string_view.
struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>()(text);
  }
};

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
  std::vector<Regex> blind;    // patterns without digits: their answers depend on the name's shape
  std::vector<Regex> sighted;  // the others
  mutable std::unordered_map<std::string, Truth, TextHash, std::equal_to<>> known;
  mutable std::string shape;

  Truth by_shape(std::string_view name) const {
    if (blind.empty()) return Truth::kNo;
    shape_of(name, shape);
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
      (has_digit(pattern) ? impl_->sighted : impl_->blind).emplace_back(pattern);
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
