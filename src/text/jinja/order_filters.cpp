// Filters that compare the items of a list.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "text/jinja/attribute.h"
#include "text/jinja/builtin.h"
#include "text/jinja/renderer.h"
#include "text/unicode.h"

namespace requant::jinja {
namespace {

struct Keyed {
  Value key;
  Value item;
};

Result<Value> in_lower_case(const Bound& arguments, Value value, bool case_sensitive) {
  if (case_sensitive || !value.is_text()) return value;
  return arguments.renderer().text(requant::lower_case(value.text()));
}

// What an item is compared by; with `several`, as a list of what paths with commas between them
// lead to.
Result<Value> key_of(const Bound& arguments, const Value& item, const Value* path,
                     bool case_sensitive, bool several) {
  const Value whole = path == nullptr ? Value::none() : *path;
  if (!several) {
    RQ_TRY(Value key, along_path(arguments.renderer(), item, whole));
    return in_lower_case(arguments, std::move(key), case_sensitive);
  }
  std::vector<Value> paths = {whole};
  if (whole.is_text()) {
    paths.clear();
    for (const std::string_view part : split(whole.text(), ',')) {
      paths.push_back(Value::constant(std::string(part)));
    }
  }
  std::vector<Value> keys;
  for (const Value& part : paths) {
    RQ_TRY(Value key, along_path(arguments.renderer(), item, part));
    RQ_TRY(key, in_lower_case(arguments, std::move(key), case_sensitive));
    keys.push_back(std::move(key));
  }
  return arguments.renderer().list(std::move(keys));
}

// Merges two sorted halves; of equal keys the left comes first.
Result<std::vector<Keyed>> merged(Budget& budget, std::vector<Keyed> left, std::vector<Keyed> right,
                                  bool reverse) {
  RQ_CHECK(budget.step(left.size() + right.size()));
  std::vector<Keyed> out;
  auto a = left.begin();
  auto b = right.begin();
  while (a != left.end() && b != right.end()) {
    RQ_TRY(const bool right_first,
           reverse ? less(budget, a->key, b->key) : less(budget, b->key, a->key));
    out.push_back(std::move(right_first ? *b++ : *a++));
  }
  std::move(a, left.end(), std::back_inserter(out));
  std::move(b, right.end(), std::back_inserter(out));
  return out;
}

// A merge sort: comparisons may fail, and values need not have an order at all.
Result<std::vector<Keyed>> sorted(Budget& budget, std::vector<Keyed> items, bool reverse) {
  if (items.size() < 2) return items;
  const auto middle = items.begin() + static_cast<std::ptrdiff_t>(items.size() / 2);
  RQ_TRY(std::vector<Keyed> left,
         sorted(budget, {std::make_move_iterator(items.begin()), std::make_move_iterator(middle)},
                reverse));
  RQ_TRY(std::vector<Keyed> right,
         sorted(budget, {std::make_move_iterator(middle), std::make_move_iterator(items.end())},
                reverse));
  return merged(budget, std::move(left), std::move(right), reverse);
}

Result<Value> items_in_order(const Bound& arguments, std::vector<Keyed> keyed, bool reverse) {
  RQ_TRY(keyed, sorted(arguments.budget(), std::move(keyed), reverse));
  std::vector<Value> items;
  for (Keyed& one : keyed) items.push_back(std::move(one.item));
  return arguments.renderer().list(std::move(items));
}

Result<Value> sort(const Bound& arguments) {
  RQ_TRY(const Value items, items_of(arguments.budget(), arguments[0]));
  RQ_CHECK(arguments.budget().room(items.items().size() * 2 * sizeof(Keyed)));
  std::vector<Keyed> keyed;
  for (const Value& item : items.items()) {
    RQ_TRY(Value key, key_of(arguments, item, arguments.get(3), arguments.flag(2, false), true));
    keyed.push_back({std::move(key), item});
  }
  return items_in_order(arguments, std::move(keyed), arguments.flag(1, false));
}

Result<Value> dictsort(const Bound& arguments) {
  const Value& dict = arguments[0];
  if (dict.is_undefined()) return corrupt(dict.why());
  if (!dict.is(Kind::kDict)) return corrupt("'dictsort' takes a mapping");
  RQ_TRY(const std::string by, arguments.text(2, "key"));
  if (by != "key" && by != "value") return corrupt("'dictsort' by key or by value");
  std::vector<Keyed> keyed;
  for (const auto& [key, value] : dict.members()) {
    RQ_TRY(Value pair, sequence_value(arguments.budget(), Kind::kTuple, {key, value}));
    RQ_TRY(Value sort_key,
           in_lower_case(arguments, by == "key" ? key : value, arguments.flag(1, false)));
    keyed.push_back({std::move(sort_key), std::move(pair)});
  }
  return items_in_order(arguments, std::move(keyed), arguments.flag(3, false));
}

Result<Value> unique(const Bound& arguments) {
  RQ_TRY(const Value items, items_of(arguments.budget(), arguments[0]));
  std::vector<Value> seen;
  std::vector<Value> kept;
  for (const Value& item : items.items()) {
    RQ_TRY(const Value key,
           key_of(arguments, item, arguments.get(2), arguments.flag(1, false), false));
    if (!can_be_key(key)) return corrupt(fmt::format("'unique' of '{}'", key.type()));
    bool known = false;
    for (const Value& other : seen) {
      RQ_TRY(known, equal(arguments.budget(), key, other));
      if (known) break;
    }
    if (known) continue;
    seen.push_back(key);
    kept.push_back(item);
  }
  RQ_TRY(Value list, arguments.renderer().list(std::move(kept)));
  return Value::iterator(std::make_shared<const Iterator>(Iterator{std::move(list), {}, 0}));
}

template <bool kLargest>
Result<Value> extreme(const Bound& arguments) {
  RQ_TRY(const Value items, items_of(arguments.budget(), arguments[0]));
  if (items.items().empty()) return Value::undefined("No aggregated item, sequence was empty.");
  std::optional<Keyed> best;
  for (const Value& item : items.items()) {
    RQ_TRY(Value key, key_of(arguments, item, arguments.get(2), arguments.flag(1, false), false));
    if (best) {
      RQ_TRY(const bool better, kLargest ? less(arguments.budget(), best->key, key)
                                         : less(arguments.budget(), key, best->key));
      if (!better) continue;
    }
    best = Keyed{std::move(key), item};
  }
  return best->item;
}

constexpr Builtin kFilters[] = {
    {"dictsort", "value case_sensitive by reverse", 1, dictsort},
    {"max", "value case_sensitive attribute", 1, extreme<true>},
    {"min", "value case_sensitive attribute", 1, extreme<false>},
    {"sort", "value reverse case_sensitive attribute", 1, sort},
    {"unique", "value case_sensitive attribute", 1, unique},
};

}  // namespace

std::span<const Builtin> order_filters() { return kFilters; }

}  // namespace requant::jinja
