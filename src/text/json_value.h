#pragma once

#include <string>
#include <string_view>

#include "base/json_at.h"
#include "text/pattern.h"

// Values of tokenizer.json by key.
namespace requant {

// The value of "type".
std::string type_of(const Json& step);

// {"String": "x"} or {"Regex": "x"}.
Result<SplitPattern> pattern_at(const Json& object, std::string_view key);

}  // namespace requant
