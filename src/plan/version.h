#pragma once

#include <string_view>

namespace requant {

// "0.1.0", as include/requant/version.h says it.
inline constexpr std::string_view kVersion = REQUANT_VERSION;

}  // namespace requant
