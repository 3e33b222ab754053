#include "text/json_value.h"

namespace requant {

std::string type_of(const Json& step) { return text_at(step, "type"); }

Result<SplitPattern> pattern_at(const Json& object, std::string_view key) {
  const Json* pattern = object.find(key);
  if (pattern != nullptr) {
    const Json* literal = pattern->find("String");
    if (literal != nullptr && literal->is_string()) {
      return SplitPattern::literal(std::string(*literal->as_string()));
    }
    const Json* regex = pattern->find("Regex");
    if (regex != nullptr && regex->is_string()) return SplitPattern::compile(*regex->as_string());
  }
  return corrupt("'" + std::string(key) + "' is neither a string nor a regular expression");
}

}  // namespace requant
