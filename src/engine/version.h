#pragma once

#include <array>
#include <compare>
#include <string_view>

namespace requant {

// "0.10.2" as numbers, so that 0.9 comes before 0.10; what is no number counts as 0, and what comes
// after the eighth number does not count.
class VersionNumber {
 public:
  explicit VersionNumber(std::string_view text);
  std::strong_ordering operator<=>(const VersionNumber& other) const;
  bool operator==(const VersionNumber& other) const { return (*this <=> other) == 0; }

 private:
  std::array<int, 8> numbers_{};
};

}  // namespace requant
