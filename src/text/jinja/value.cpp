#include "text/jinja/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "text/jinja/callable.h"
#include "text/jinja/loop.h"
#include "text/jinja/points.h"

namespace requant::jinja {

struct Text {
  std::string text;
  Charge charge;
};

struct Sequence {
  std::vector<Value> items;
  int depth = 1;
  std::string printed;
  Charge charge;
};

struct Dict {
  Members members;
  int depth = 1;
  Charge charge;
};

namespace {

constexpr std::uint64_t kObjectBytes = 64;
constexpr int kDeepest = 100;

struct Why {
  std::string text;
};

Result<int> depth_of(int deepest) {
  if (deepest >= kDeepest) return refused("puts values over 100 deep into one another");
  return deepest + 1;
}

}  // namespace

Value Value::undefined(std::string why) {
  return {Kind::kUndefined, std::make_shared<const Why>(Why{std::move(why)})};
}

Value Value::none() { return {Kind::kNone, nullptr}; }

Value Value::boolean(bool value) {
  Value result(Kind::kBool, nullptr);
  result.integer_ = value ? 1 : 0;
  return result;
}

Value Value::integer(std::int64_t value) {
  Value result(Kind::kInt, nullptr);
  result.integer_ = value;
  return result;
}

Value Value::real(double value) {
  Value result(Kind::kFloat, nullptr);
  result.real_ = value;
  return result;
}

Value Value::constant(std::string text) {
  return {Kind::kText, std::make_shared<const Text>(Text{std::move(text), {}})};
}

Value Value::iterator(std::shared_ptr<const Iterator> iterator) {
  return {Kind::kIterator, std::move(iterator)};
}

Value Value::callable(std::shared_ptr<const Callable> callable) {
  return {Kind::kCallable, std::move(callable)};
}

Value Value::space(Namespace* space) {
  return {Kind::kNamespace, std::shared_ptr<const void>(std::shared_ptr<const void>(), space)};
}

Value Value::loop(std::shared_ptr<const Loop> loop) { return {Kind::kLoop, std::move(loop)}; }

const std::string& Value::text() const { return as<Text>().text; }
const std::vector<Value>& Value::items() const { return as<Sequence>().items; }
const Members& Value::members() const { return as<Dict>().members; }
const Iterator& Value::iterator() const { return as<Iterator>(); }
const Callable& Value::callable() const { return as<Callable>(); }
const Loop& Value::loop() const { return as<Loop>(); }
Namespace& Value::space() const {
  return *static_cast<Namespace*>(const_cast<void*>(object_.get()));  // NOLINT: it was given so
}

std::string Value::why() const {
  return object_ == nullptr ? "a value is undefined" : as<Why>().text;
}

int Value::depth() const {
  if (is_sequence()) return as<Sequence>().depth;
  if (kind_ == Kind::kDict) return as<Dict>().depth;
  return kind_ == Kind::kIterator ? iterator().items.depth() : 0;
}

std::string Value::range_text() const { return as<Sequence>().printed; }

std::string_view Value::type() const {
  constexpr std::string_view kTypes[] = {
      "Undefined", "NoneType", "bool",      "int",       "float",       "str",
      "list",      "tuple",    "range",     "dict_keys", "dict_values", "dict_items",
      "generator", "dict",     "Namespace", "function",  "LoopContext"};
  return kTypes[static_cast<std::size_t>(kind_)];
}

Result<Value> text_value(Budget& budget, std::string text) {
  const std::uint64_t bytes = kObjectBytes + text.size();
  RQ_CHECK(budget.room(bytes));
  RQ_CHECK(budget.read(bytes));
  return Value(Kind::kText,
               std::make_shared<const Text>(Text{std::move(text), Charge(&budget, bytes)}));
}

Result<Value> sequence_value(Budget& budget, Kind kind, std::vector<Value> items,
                             std::string printed) {
  const std::uint64_t bytes = kObjectBytes + items.size() * sizeof(Value) + printed.size();
  RQ_CHECK(budget.room(bytes));
  RQ_CHECK(budget.step(items.size() / 8));
  int deepest = 0;
  for (const Value& item : items) deepest = std::max(deepest, item.depth());
  RQ_TRY(const int depth, depth_of(deepest));
  return Value(kind, std::make_shared<const Sequence>(Sequence{
                         std::move(items), depth, std::move(printed), Charge(&budget, bytes)}));
}

Result<Value> list_value(Budget& budget, std::vector<Value> items) {
  return sequence_value(budget, Kind::kList, std::move(items));
}

Result<Value> dict_value(Budget& budget, Members members) {
  const std::uint64_t bytes = kObjectBytes + members.size() * 2 * sizeof(Value);
  RQ_CHECK(budget.room(bytes));
  RQ_CHECK(budget.step(members.size() / 8));
  int deepest = 0;
  for (const auto& [key, value] : members) {
    deepest = std::max({deepest, key.depth(), value.depth()});
  }
  RQ_TRY(const int depth, depth_of(deepest));
  return Value(Kind::kDict, std::make_shared<const Dict>(
                                Dict{std::move(members), depth, Charge(&budget, bytes)}));
}

bool truth(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return false;
    case Kind::kBool:
    case Kind::kInt:
      return value.as_int() != 0;
    case Kind::kFloat:
      return value.as_real() != 0;
    case Kind::kText:
      return !value.text().empty();
    case Kind::kDict:
      return !value.members().empty();
    default:
      return !value.is_sequence() || !value.items().empty();
  }
}

Result<std::int64_t> length(Budget& budget, const Value& value) {
  if (value.is_undefined()) return 0;
  if (value.is_text()) {
    RQ_CHECK(budget.read(value.text().size()));
    return static_cast<std::int64_t>(count_points(value.text()));
  }
  if (value.is_sequence()) return static_cast<std::int64_t>(value.items().size());
  if (value.is(Kind::kDict)) return static_cast<std::int64_t>(value.members().size());
  if (value.is(Kind::kLoop)) return value.loop().length();
  return corrupt(fmt::format("an object of type '{}' has no length", value.type()));
}

namespace {

Result<Value> characters_of(Budget& budget, const std::string& text) {
  RQ_CHECK(budget.room(count_points(text) * (sizeof(Value) + kObjectBytes)));
  std::vector<Value> items;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t size = point_size(rest);
    RQ_TRY(Value item, text_value(budget, std::string(rest.substr(0, size))));
    items.push_back(std::move(item));
    rest.remove_prefix(size);
  }
  return list_value(budget, std::move(items));
}

Result<Value> rest_of(Budget& budget, const Iterator& iterator) {
  const std::size_t at = std::exchange(iterator.at, iterator.items.items().size());
  if (iterator.end) return *iterator.end;
  if (at == 0) return iterator.items;
  const auto& items = iterator.items.items();
  return list_value(budget, {items.begin() + static_cast<std::ptrdiff_t>(at), items.end()});
}

}  // namespace

Result<Value> items_of(Budget& budget, const Value& value) {
  RQ_CHECK(budget.step());
  if (value.is_sequence()) return value;
  switch (value.kind()) {
    case Kind::kUndefined:
      return list_value(budget, {});
    case Kind::kText:
      return characters_of(budget, value.text());
    case Kind::kIterator:
      return rest_of(budget, value.iterator());
    case Kind::kDict: {
      std::vector<Value> keys;
      for (const auto& [key, member] : value.members()) keys.push_back(key);
      return list_value(budget, std::move(keys));
    }
    default:
      return corrupt(fmt::format("'{}' object is not iterable", value.type()));
  }
}

bool can_be_key(const Value& value) {
  if (value.is(Kind::kTuple)) return std::ranges::all_of(value.items(), can_be_key);
  return !value.is(Kind::kList) && !value.is(Kind::kDict) && !value.is(Kind::kKeys) &&
         !value.is(Kind::kItems);
}

const Value* find_member(const Members& members, std::string_view key) {
  for (const auto& [name, value] : members) {
    if (name.is_text() && name.text() == key) return &value;
  }
  return nullptr;
}

Result<const Value*> find_member(Budget& budget, const Members& members, const Value& key) {
  RQ_CHECK(budget.step(members.size() / 16));
  if (key.is_text()) return find_member(members, std::string_view(key.text()));
  if (!can_be_key(key)) {
    return corrupt(fmt::format("a value of type '{}' cannot be a key", key.type()));
  }
  for (const auto& [name, value] : members) {
    RQ_TRY(const bool same, equal(budget, name, key));
    if (same) return &value;
  }
  return nullptr;
}

Result<void> set_member(Budget& budget, Members& members, Value key, Value value) {
  RQ_TRY(const Value* found, find_member(budget, members, key));
  if (found == nullptr) {
    members.emplace_back(std::move(key), std::move(value));
    return {};
  }
  for (auto& [name, member] : members) {
    if (&member == found) {
      member = std::move(value);
      break;
    }
  }
  return {};
}

namespace {

// 64 bits fit into its mantissa, as those of a double do.
long double exact(const Value& number) {
  return number.is_integral() ? static_cast<long double>(number.as_int())
                              : static_cast<long double>(number.as_real());
}

Result<bool> equal_items(Budget& budget, const std::vector<Value>& a, const std::vector<Value>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    RQ_TRY(const bool same, equal(budget, a[i], b[i]));
    if (!same) return false;
  }
  return true;
}

Result<bool> equal_members(Budget& budget, const Members& a, const Members& b) {
  if (a.size() != b.size()) return false;
  for (const auto& [key, value] : a) {
    RQ_TRY(const Value* other, find_member(budget, b, key));
    if (other == nullptr) return false;
    RQ_TRY(const bool same, equal(budget, value, *other));
    if (!same) return false;
  }
  return true;
}

Error no_order(const Value& a, const Value& b) {
  if (a.is_undefined()) return corrupt(a.why());
  if (b.is_undefined()) return corrupt(b.why());
  return corrupt(fmt::format("'{}' and '{}' have no order", a.type(), b.type()));
}

}  // namespace

Result<bool> equal(Budget& budget, const Value& a, const Value& b) {
  RQ_CHECK(budget.step());
  if (a.same_object(b)) return true;
  if (a.is_number() && b.is_number()) return exact(a) == exact(b);
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return true;
    case Kind::kText:
      RQ_CHECK(budget.read(std::min(a.text().size(), b.text().size())));
      return a.text() == b.text();
    case Kind::kDict:
      return equal_members(budget, a.members(), b.members());
    case Kind::kValues:
      return false;
    default:
      return a.is_sequence() ? equal_items(budget, a.items(), b.items()) : Result<bool>(false);
  }
}

Result<bool> less(Budget& budget, const Value& a, const Value& b) {
  RQ_CHECK(budget.step());
  if (a.is_number() && b.is_number()) return exact(a) < exact(b);
  if (a.kind() != b.kind()) return no_order(a, b);
  if (a.is_text()) {
    RQ_CHECK(budget.read(std::min(a.text().size(), b.text().size())));
    return a.text() < b.text();  // bytes of UTF-8 are in the order of its characters
  }
  if (!a.is(Kind::kList) && !a.is(Kind::kTuple)) return no_order(a, b);
  const std::size_t both = std::min(a.items().size(), b.items().size());
  for (std::size_t i = 0; i < both; ++i) {
    RQ_TRY(const bool same, equal(budget, a.items()[i], b.items()[i]));
    if (!same) return less(budget, a.items()[i], b.items()[i]);
  }
  return a.items().size() < b.items().size();
}

Result<bool> contains(Budget& budget, const Value& container, const Value& item) {
  if (container.is_text()) {
    if (!item.is_text()) {
      return corrupt(fmt::format("'in' a text needs a text, not '{}'", item.type()));
    }
    RQ_CHECK(budget.read(container.text().size()));
    return container.text().find(item.text()) != std::string::npos;
  }
  if (container.is(Kind::kDict)) {
    RQ_TRY(const Value* found, find_member(budget, container.members(), item));
    return found != nullptr;
  }
  RQ_TRY(const Value items, items_of(budget, container));
  for (const Value& one : items.items()) {
    RQ_TRY(const bool same, equal(budget, one, item));
    if (same) return true;
  }
  return false;
}

}  // namespace requant::jinja
