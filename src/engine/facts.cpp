#include "engine/facts.h"

#include <charconv>
#include <cmath>
#include <span>

#include "base/text.h"

namespace requant {

namespace {

std::optional<double> number_in(std::string_view text) {
  int number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// What a user or a device leaves unsaid, and what a config does not hold, is null rather than
// unknown.
bool null_when_absent(std::string_view name) {
  for (const std::string_view prefix :
       {"env.", "user.", "act.", "out.", "kv.", "cfg.", "config."}) {
    if (name.starts_with(prefix)) return true;
  }
  return name == "ct.group_format";
}

// What lies at the keys; a key of "*" collects from every member.
FactValue value_at(const Json& json, std::span<const std::string_view> keys) {
  if (keys.empty()) return value_of(json);
  if (keys.front() == "*") {
    FactValue::List all;
    for (const auto& [key, member] : json.members()) {
      all.push_back(value_at(member, keys.subspan(1)));
    }
    return all.empty() ? FactValue() : FactValue(std::move(all));
  }
  const Json* member = json.find(keys.front());
  return member == nullptr ? FactValue() : value_at(*member, keys.subspan(1));
}

}  // namespace

std::optional<double> FactValue::number() const {
  if (const auto* number = std::get_if<double>(&held)) return *number;
  if (const auto* flag = std::get_if<bool>(&held)) return *flag ? 1 : 0;
  return std::nullopt;
}

bool FactValue::truthy() const {
  if (const auto value = number()) return *value != 0;
  if (const auto* words = text()) return !words->empty();
  if (const auto* items = list()) return !items->empty();
  return false;
}

bool operator==(const FactValue& a, const FactValue& b) {
  const auto x = a.number();
  const auto y = b.number();
  if (x && y) return *x == *y;
  if (a.text() != nullptr && b.text() != nullptr) return *a.text() == *b.text();
  if (a.list() != nullptr && b.list() != nullptr) return *a.list() == *b.list();
  return a.held == b.held;
}

FactValue value_of(const Json& json) {
  switch (json.kind()) {
    case Json::Kind::kNull:
      return {};
    case Json::Kind::kBool:
      return *json.as_bool();
    case Json::Kind::kNumber:
      return json.as_double().value_or(0);
    case Json::Kind::kString:
      return *json.as_string();
    case Json::Kind::kArray: {
      FactValue::List items;
      for (const Json& item : json.items()) items.push_back(value_of(item));
      return items;
    }
    case Json::Kind::kObject: {
      FactValue::List keys;
      for (const auto& [key, value] : json.members()) keys.emplace_back(key);
      return keys;
    }
  }
  return {};
}

std::string to_text(const FactValue& value) {
  if (value.is_null()) return "None";
  if (const auto* flag = std::get_if<bool>(&value.held)) return *flag ? "True" : "False";
  if (const auto* words = value.text()) return *words;
  if (const auto number = value.number()) {
    return Json(static_cast<std::int64_t>(std::llround(*number))).dump();
  }
  std::string text = "[";
  for (const FactValue& item : *value.list()) {
    if (text.size() > 1) text += ", ";
    text += item.text() != nullptr ? "'" + *item.text() + "'" : to_text(item);
  }
  return text + "]";
}

void EngineFacts::set(std::string_view name, FactValue value) {
  values_.insert_or_assign(std::string(name), std::move(value));
}

void EngineFacts::set_object(std::string_view prefix, const Json* json) {
  objects_.insert_or_assign(std::string(prefix), json);
}

std::optional<FactValue> EngineFacts::from_objects(std::string_view name) const {
  const auto dot = name.find('.');
  const auto root = objects_.find(name.substr(0, dot));
  if (root == objects_.end()) return std::nullopt;
  if (dot == std::string_view::npos || root->second == nullptr) {
    return root->second == nullptr ? FactValue() : value_of(*root->second);
  }
  const auto keys = split(name.substr(dot + 1), '.');
  return value_at(*root->second, keys);
}

std::optional<FactValue> EngineFacts::stored(std::string_view name) const {
  for (const EngineFacts* layer = this; layer != nullptr; layer = layer->parent_) {
    const auto found = layer->values_.find(name);
    if (found != layer->values_.end()) return found->second;
    if (auto value = layer->from_objects(name)) return value;
  }
  return std::nullopt;
}

std::optional<FactValue> EngineFacts::remainder(std::string_view dividend,
                                                std::string_view divisor) const {
  const auto number = [&](std::string_view name) -> std::optional<double> {
    if (const auto literal = number_in(name)) return literal;
    const auto value = find(name);
    return value ? value->number() : std::nullopt;
  };
  std::optional<double> by;
  if (const auto slash = divisor.find(" // "); slash != std::string_view::npos) {
    const auto a = number(divisor.substr(0, slash));
    const auto b = number(divisor.substr(slash + 4));
    if (a && b && *b > 0) by = std::floor(*a / *b);
  } else {
    by = number(divisor);
  }
  const auto of = number(dividend);
  if (!of || !by) return std::nullopt;
  if (*by == -1) return 0;  // "one group for all": nothing is left over
  if (*by <= 0) return std::nullopt;
  return std::fmod(*of, *by);
}

std::optional<FactValue> EngineFacts::find(std::string_view name) const {
  if (auto value = stored(name)) return value;
  if (name == "ct.effective_format") return find("ct.format");
  if (const auto at = name.find(" % "); at != std::string_view::npos) {
    return remainder(name.substr(0, at), name.substr(at + 3));
  }
  if (name.starts_with("len(") && name.ends_with(")")) {
    const auto value = find(name.substr(4, name.size() - 5));
    if (!value || value->list() == nullptr) return std::nullopt;
    return static_cast<std::int64_t>(value->list()->size());
  }
  if (null_when_absent(name)) return FactValue();
  return std::nullopt;
}

}  // namespace requant
