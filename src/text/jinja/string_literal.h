#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace requant::jinja {

// What a string literal stands for, given what is between its quotes.
Result<std::string> string_literal(std::string_view text);

}  // namespace requant::jinja
