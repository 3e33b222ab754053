#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "text/jinja/value.h"

namespace requant::jinja {

// One field of a format: how a value is written.
struct Field {
  std::string fill = " ";
  char align = '\0';  // < > ^ =, or none
  char sign = '-';    // - + or a space
  bool alternate = false;
  std::uint64_t width = 0;
  char grouping = '\0';  // , or _
  std::optional<int> precision;
  char type = '\0';
};

inline constexpr std::uint64_t kWidest = std::uint64_t{1} << 20;
inline constexpr int kMostPrecise = 100;

Result<std::string> number_field(const Value& number, const Field& field);
// `text` with fill up to the width; numbers go to the right by themselves.
std::string aligned(const std::string& text, const Field& field, bool is_number);

}  // namespace requant::jinja
