#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "text/pattern.h"

// Values of tokenizer.json by key.
namespace requant {

// "" where there is none or it is no string.
std::string text_at(const Json& object, std::string_view key);
bool flag_at(const Json& object, std::string_view key, bool otherwise);
// The value of "type".
std::string type_of(const Json& step);

// {"String": "x"} or {"Regex": "x"}.
Result<SplitPattern> pattern_at(const Json& object, std::string_view key);

}  // namespace requant
