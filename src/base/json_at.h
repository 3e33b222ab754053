#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

// Values of an object by key, where a value of another kind counts as none.
namespace requant {

// "" and 0 where there is none.
std::string text_at(const Json& object, std::string_view key);
std::int64_t int_at(const Json& object, std::string_view key);
bool flag_at(const Json& object, std::string_view key, bool otherwise = false);

// The items of a list, "" for those that are no string; empty where there is no list.
std::vector<std::string> texts_at(const Json& object, std::string_view key);

}  // namespace requant
