#include "text/jinja/builtin.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "text/jinja/print.h"
#include "text/jinja/renderer.h"

namespace requant::jinja {
namespace {

const Builtin* find(std::span<const std::span<const Builtin>> tables, std::string_view name) {
  for (const auto table : tables) {
    const auto found = std::ranges::find(table, name, &Builtin::name);
    if (found != table.end()) return &*found;
  }
  return nullptr;
}

std::vector<std::string_view> names_of(std::string_view parameters) {
  return parameters.empty() ? std::vector<std::string_view>() : split(parameters, ' ');
}

}  // namespace

Budget& Bound::budget() const { return renderer_.budget(); }

bool Bound::flag(std::size_t parameter, bool otherwise) const {
  const Value* value = get(parameter);
  return value == nullptr ? otherwise : truth(*value);
}

Result<std::int64_t> Bound::integer(std::size_t parameter, std::int64_t otherwise) const {
  const Value* value = get(parameter);
  if (value == nullptr) return otherwise;
  if (value->is_undefined()) return corrupt(value->why());
  if (!value->is_integral()) {
    return corrupt(fmt::format("'{}' takes an integer, not '{}'", name_, value->type()));
  }
  return value->as_int();
}

Result<std::string> Bound::str(std::size_t parameter, std::string_view otherwise) const {
  const Value* value = get(parameter);
  return value == nullptr ? Result<std::string>(std::string(otherwise))
                          : jinja::str(renderer_.budget(), *value);
}

Result<std::string> Bound::text(std::size_t parameter, std::string_view otherwise) const {
  const Value* value = get(parameter);
  if (value == nullptr) return std::string(otherwise);
  if (value->is_undefined()) return corrupt(value->why());
  if (!value->is_text()) {
    return corrupt(fmt::format("'{}' takes a text, not '{}'", name_, value->type()));
  }
  RQ_CHECK(renderer_.budget().read(value->text().size()));
  return value->text();
}

Result<Value> invoke(Renderer& renderer, const Builtin& builtin, Arguments arguments) {
  std::vector<std::string_view> parameters = names_of(builtin.parameters);
  const bool any = !parameters.empty() && parameters.back() == "*";
  if (any) parameters.pop_back();
  std::vector<std::optional<Value>> values(parameters.size());
  Arguments rest;
  for (std::size_t i = 0; i < arguments.positional.size(); ++i) {
    if (i < values.size()) {
      values[i] = std::move(arguments.positional[i]);
    } else if (any) {
      rest.positional.push_back(std::move(arguments.positional[i]));
    } else {
      return corrupt(fmt::format("'{}' takes at most {} arguments", builtin.name, values.size()));
    }
  }
  for (auto& [name, value] : arguments.named) {
    const auto found = std::ranges::find(parameters, name);
    if (found != parameters.end()) {
      auto& place = values[static_cast<std::size_t>(found - parameters.begin())];
      if (place) return corrupt(fmt::format("'{}' has its '{}' twice", builtin.name, name));
      place = std::move(value);
    } else if (any) {
      rest.named.emplace_back(name, std::move(value));
    } else {
      return corrupt(fmt::format("'{}' takes no argument {}", builtin.name, in_quotes(name)));
    }
  }
  for (std::size_t i = 0; i < builtin.required; ++i) {
    if (!values[i]) return corrupt(fmt::format("'{}' lacks its '{}'", builtin.name, parameters[i]));
  }
  return builtin.call(Bound(renderer, builtin.name, std::move(values), std::move(rest)));
}

const Builtin* find_filter(std::string_view name) {
  const std::array tables = {text_filters(), number_filters(), list_filters(), order_filters(),
                             choice_filters()};
  return find(tables, name);
}

const Builtin* find_test(std::string_view name) {
  const std::array tables = {tests()};
  return find(tables, name);
}

const Builtin* find_function(std::string_view name) {
  const std::array tables = {functions()};
  return find(tables, name);
}

const Builtin* find_method(const Value& object, std::string_view name) {
  if (object.is_text()) {
    const std::array tables = {text_methods(), text_search_methods()};
    return find(tables, name);
  }
  if (object.is(Kind::kDict)) {
    const std::array tables = {dict_methods()};
    return find(tables, name);
  }
  const bool list = object.is(Kind::kList);
  if (!list && !object.is(Kind::kTuple)) return nullptr;
  if (name == "copy" && !list) return nullptr;
  const std::array tables = {list_methods()};
  return find(tables, name);
}

bool changes_its_object(const Value& object, std::string_view name) {
  constexpr std::string_view kList[] = {"append", "clear", "pop",    "reverse",
                                        "insert", "sort",  "extend", "remove"};
  constexpr std::string_view kDict[] = {"clear", "pop", "popitem", "setdefault", "update"};
  if (object.is(Kind::kList)) return std::ranges::find(kList, name) != std::end(kList);
  return object.is(Kind::kDict) && std::ranges::find(kDict, name) != std::end(kDict);
}

Value function_value(const Builtin& function) {
  auto callable = std::make_shared<Callable>();
  callable->name = function.name;
  callable->call = [&function](Renderer& renderer, Arguments arguments) {
    return invoke(renderer, function, std::move(arguments));
  };
  return Value::callable(std::move(callable));
}

Value method_value(const Value& object, const Builtin& method) {
  auto callable = std::make_shared<Callable>();
  callable->name = method.name;
  callable->call = [object, &method](Renderer& renderer, Arguments arguments) {
    arguments.positional.insert(arguments.positional.begin(), object);
    return invoke(renderer, method, std::move(arguments));
  };
  return Value::callable(std::move(callable));
}

}  // namespace requant::jinja
