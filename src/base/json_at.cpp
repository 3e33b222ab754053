#include "base/json_at.h"

namespace requant {

std::string text_at(const Json& object, std::string_view key) {
  const Json* value = object.find(key);
  return value == nullptr ? "" : std::string(value->as_string().value_or(""));
}

std::int64_t int_at(const Json& object, std::string_view key) {
  const Json* value = object.find(key);
  return value == nullptr ? 0 : value->as_int().value_or(0);
}

bool flag_at(const Json& object, std::string_view key, bool otherwise) {
  const Json* value = object.find(key);
  return value == nullptr ? otherwise : value->as_bool().value_or(otherwise);
}

std::vector<std::string> texts_at(const Json& object, std::string_view key) {
  std::vector<std::string> texts;
  const Json* list = object.find(key);
  if (list == nullptr) return texts;
  for (const Json& item : list->items()) texts.emplace_back(item.as_string().value_or(""));
  return texts;
}

}  // namespace requant
