#pragma once

#include <string_view>

namespace requant {

// "0.1.0".
std::string_view version();

}  // namespace requant
