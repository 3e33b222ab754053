#include "engine/version.h"

#include <algorithm>
#include <charconv>

namespace requant {

VersionNumber::VersionNumber(std::string_view text) {
  const char* at = text.data();
  const char* end = at + text.size();
  for (int& number : numbers_) {
    const char* dot = std::find(at, end, '.');
    std::from_chars(at, dot, number);
    if (dot == end) return;
    at = dot + 1;
  }
}

std::strong_ordering VersionNumber::operator<=>(const VersionNumber& other) const {
  return numbers_ <=> other.numbers_;
}

}  // namespace requant
