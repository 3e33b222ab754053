#include "engine/version.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace requant {

VersionNumber::VersionNumber(std::string_view text) {
  for (const std::string_view part : split(text, '.')) {
    int number = 0;
    std::from_chars(part.data(), part.data() + part.size(), number);
    numbers_.push_back(number);
  }
}

std::strong_ordering VersionNumber::operator<=>(const VersionNumber& other) const {
  const std::size_t size = std::max(numbers_.size(), other.numbers_.size());
  for (std::size_t i = 0; i < size; ++i) {
    const int mine = i < numbers_.size() ? numbers_[i] : 0;
    const int theirs = i < other.numbers_.size() ? other.numbers_[i] : 0;
    if (mine != theirs) return mine <=> theirs;
  }
  return std::strong_ordering::equal;
}

}  // namespace requant
