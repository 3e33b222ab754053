#pragma once

#include <string>
#include <string_view>

#include "text/jinja/value.h"

// Values as Python prints them.
namespace requant::jinja {

// repr() of a float.
std::string real_text(double value);
// repr() of a text.
std::string quoted(std::string_view text);

// str() and repr(), put to the end of `out`.
Result<void> append_str(Budget& budget, const Value& value, std::string& out);
Result<void> append_repr(Budget& budget, const Value& value, std::string& out);
Result<std::string> str(Budget& budget, const Value& value);

}  // namespace requant::jinja
