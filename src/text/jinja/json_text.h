#pragma once

#include <optional>
#include <string>

#include "base/json.h"
#include "text/jinja/value.h"

namespace requant::jinja {

// kRefused for integers beyond 64 bits.
Result<Value> from_json(Budget& budget, const Json& json);

// The options of Python's json.dumps().
struct JsonStyle {
  bool ascii = false;
  bool sorted = false;
  std::optional<std::string> indent;  // of one level
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};

// kCorrupt for values that JSON has not.
Result<std::string> to_json_text(Budget& budget, const Value& value, const JsonStyle& style);

}  // namespace requant::jinja
