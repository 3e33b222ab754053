// Methods of dicts, lists and tuples that do not change them.
#include "text/jinja/builtin.h"
#include "text/jinja/renderer.h"

namespace requant::jinja {
namespace {

Result<Value> get(const Bound& arguments) {
  if (!can_be_key(arguments[1])) return corrupt("'get' with a key that is none");
  RQ_TRY(const Value* found, find_member(arguments.budget(), arguments[0].members(), arguments[1]));
  if (found != nullptr) return *found;
  return arguments.get(2) == nullptr ? Value::none() : arguments[2];
}

Result<Value> copy(const Bound& arguments) { return arguments[0]; }

template <Kind kKind>
Result<Value> view(const Bound& arguments) {
  std::vector<Value> items;
  for (const auto& [key, value] : arguments[0].members()) {
    if (kKind == Kind::kKeys) items.push_back(key);
    if (kKind == Kind::kValues) items.push_back(value);
    if (kKind == Kind::kItems) {
      RQ_TRY(Value pair, sequence_value(arguments.budget(), Kind::kTuple, {key, value}));
      items.push_back(std::move(pair));
    }
  }
  return sequence_value(arguments.budget(), kKind, std::move(items));
}

Result<Value> count(const Bound& arguments) {
  std::int64_t found = 0;
  for (const Value& item : arguments[0].items()) {
    RQ_TRY(const bool same, equal(arguments.budget(), item, arguments[1]));
    found += same ? 1 : 0;
  }
  return Value::integer(found);
}

Result<Value> index(const Bound& arguments) {
  const auto& items = arguments[0].items();
  for (std::size_t i = 0; i < items.size(); ++i) {
    RQ_TRY(const bool same, equal(arguments.budget(), items[i], arguments[1]));
    if (same) return Value::integer(static_cast<std::int64_t>(i));
  }
  return corrupt("a value is not in a list");
}

constexpr Builtin kDictMethods[] = {
    {"copy", "self", 1, copy},
    {"get", "self key default", 2, get},
    {"items", "self", 1, view<Kind::kItems>},
    {"keys", "self", 1, view<Kind::kKeys>},
    {"values", "self", 1, view<Kind::kValues>},
};

constexpr Builtin kListMethods[] = {
    {"copy", "self", 1, copy},
    {"count", "self value", 2, count},
    {"index", "self value", 2, index},
};

}  // namespace

std::span<const Builtin> dict_methods() { return kDictMethods; }
std::span<const Builtin> list_methods() { return kListMethods; }

}  // namespace requant::jinja
