// Filters that ask something of a value or of each item of a list.
#include <fmt/format.h>

#include <functional>

#include "text/jinja/attribute.h"
#include "text/jinja/builtin.h"
#include "text/jinja/renderer.h"

namespace requant::jinja {
namespace {

Result<Value> otherwise(const Bound& arguments) {
  const Value& value = arguments[0];
  if (!value.is_undefined() && (!arguments.flag(2, false) || truth(value))) return value;
  return arguments.get(1) == nullptr ? arguments.renderer().text({}) : arguments[1];
}

Result<Value> attr(const Bound& arguments) {
  RQ_TRY(const std::string name, arguments.text(1));
  const Value& object = arguments[0];
  if (!object.is(Kind::kDict) || find_method(object, name) != nullptr || name.starts_with("__")) {
    return attribute_of(arguments.renderer(), object, name);
  }
  return Value::undefined(fmt::format("'{}' has no attribute '{}'", object.type(), name));
}

// What a filter makes of each item, until one fails: it matters only to who gets so far.
using Step = std::function<Result<std::optional<Value>>(const Value& item)>;
Result<Value> each(const Bound& arguments, const Step& step) {
  std::vector<Value> out;
  std::optional<Error> end;
  if (truth(arguments[0])) {
    RQ_TRY(const Value items, items_of(arguments.budget(), arguments[0]));
    for (const Value& item : items.items()) {
      auto made = step(item);
      if (!made) {
        if (made.error().code() == ErrorCode::kRefused) return std::move(made).error();
        end = std::move(made).error();
        break;
      }
      if (*made) out.push_back(**std::move(made));
    }
  }
  RQ_TRY(Value list, arguments.renderer().list(std::move(out)));
  return Value::iterator(
      std::make_shared<const Iterator>(Iterator{std::move(list), std::move(end), 0}));
}

Result<Value> map_attribute(const Bound& arguments, const Value& path, const Value* missing) {
  const Value* given = missing == nullptr || missing->is_none() ? nullptr : missing;
  return each(arguments, [&](const Value& item) -> Result<std::optional<Value>> {
    RQ_TRY(Value value, along_path(arguments.renderer(), item, path, given));
    return std::optional(std::move(value));
  });
}

Result<Value> map(const Bound& arguments) {
  const auto& positional = arguments.rest().positional;
  const auto& named = arguments.rest().named;
  if (positional.empty()) {
    const Value* path = nullptr;
    const Value* missing = nullptr;
    for (const auto& [name, value] : named) {
      if (name == "attribute") path = &value;
      if (name == "default") missing = &value;
    }
    if (path == nullptr || named.size() > (missing == nullptr ? 1U : 2U)) {
      return corrupt("'map' takes a filter or an attribute");
    }
    return map_attribute(arguments, *path, missing);
  }
  if (!positional[0].is_text()) return corrupt("'map' takes the name of a filter");
  return each(arguments, [&](const Value& item) -> Result<std::optional<Value>> {
    Arguments given{{item}, named};
    given.positional.insert(given.positional.end(), positional.begin() + 1, positional.end());
    RQ_TRY(Value value, arguments.renderer().filter(positional[0].text(), std::move(given)));
    return std::optional(std::move(value));
  });
}

template <bool kAttribute, bool kWanted>
Result<Value> choose(const Bound& arguments) {
  const auto& positional = arguments.rest().positional;
  const auto& named = arguments.rest().named;
  constexpr std::size_t kFirst = kAttribute ? 1 : 0;
  if (positional.size() < kFirst) return corrupt("an attribute is missing");
  if (positional.size() > kFirst && !positional[kFirst].is_text()) {
    return corrupt(fmt::format("'{}' takes the name of a test", arguments.name()));
  }
  return each(arguments, [&](const Value& item) -> Result<std::optional<Value>> {
    Value value = item;
    if (kAttribute) {
      RQ_TRY(value, along_path(arguments.renderer(), item, positional[0]));
    }
    bool passes = truth(value);
    if (positional.size() > kFirst) {
      Arguments given{{value}, named};
      given.positional.insert(given.positional.end(),
                              positional.begin() + static_cast<std::ptrdiff_t>(kFirst) + 1,
                              positional.end());
      RQ_TRY(passes, arguments.renderer().test(positional[kFirst].text(), std::move(given)));
    }
    return passes == kWanted ? std::optional(item) : std::optional<Value>();
  });
}

constexpr Builtin kFilters[] = {
    {"attr", "obj name", 2, attr},
    {"d", "value default_value boolean", 1, otherwise},
    {"default", "value default_value boolean", 1, otherwise},
    {"map", "value *", 1, map},
    {"reject", "value *", 1, choose<false, false>},
    {"rejectattr", "value *", 1, choose<true, false>},
    {"select", "value *", 1, choose<false, true>},
    {"selectattr", "value *", 1, choose<true, true>},
};

}  // namespace

std::span<const Builtin> choice_filters() { return kFilters; }

}  // namespace requant::jinja
