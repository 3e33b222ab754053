#pragma once

#include <string>
#include <string_view>

namespace requant {

// A to Z and a to z; every other byte stays, whatever the locale.
std::string to_lower(std::string_view text);
std::string to_upper(std::string_view text);

}  // namespace requant
