// Filters that take a list apart or make one.
#include <fmt/format.h>

#include <algorithm>

#include "text/jinja/builtin.h"
#include "text/jinja/points.h"
#include "text/jinja/renderer.h"

namespace requant::jinja {
namespace {

Result<Value> iterator_over(const Bound& arguments, std::vector<Value> items) {
  RQ_TRY(Value list, arguments.renderer().list(std::move(items)));
  return Value::iterator(std::make_shared<const Iterator>(Iterator{std::move(list), {}, 0}));
}

Result<Value> to_list(const Bound& arguments) {
  RQ_TRY(const Value items, items_of(arguments.budget(), arguments[0]));
  return items.is(Kind::kList) ? Result<Value>(items) : arguments.renderer().list(items.items());
}

Result<Value> first(const Bound& arguments) {
  const Value& value = arguments[0];
  if (value.is(Kind::kIterator)) {
    const Iterator& iterator = value.iterator();
    if (iterator.at < iterator.items.items().size()) return iterator.items.items()[iterator.at++];
    if (iterator.end) return *iterator.end;
  }
  if (value.is_text() && !value.text().empty()) {
    return arguments.renderer().text(value.text().substr(0, point_size(value.text())));
  }
  RQ_TRY(const Value items, items_of(arguments.budget(), value));
  if (!items.items().empty()) return items.items().front();
  return Value::undefined("No first item, sequence was empty.");
}

Result<Value> last(const Bound& arguments) {
  const Value& value = arguments[0];
  if (value.is(Kind::kIterator)) {
    return corrupt("'last' of what can only be gone through from the front: |list is missing");
  }
  RQ_TRY(const Value items, items_of(arguments.budget(), value));
  if (!items.items().empty()) return items.items().back();
  return Value::undefined("No last item, sequence was empty.");
}

Result<Value> reverse(const Bound& arguments) {
  RQ_TRY(const Value items, items_of(arguments.budget(), arguments[0]));
  std::vector<Value> turned(items.items().rbegin(), items.items().rend());
  if (arguments[0].is(Kind::kIterator)) return arguments.renderer().list(std::move(turned));
  if (!arguments[0].is_text()) return iterator_over(arguments, std::move(turned));
  std::string out;
  for (const Value& item : turned) out += item.text();
  return arguments.renderer().text(std::move(out));
}

Result<Value> items(const Bound& arguments) {
  const Value& value = arguments[0];
  if (value.is_undefined()) return iterator_over(arguments, {});
  if (!value.is(Kind::kDict)) return corrupt("'items' takes a mapping");
  std::vector<Value> pairs;
  for (const auto& [key, member] : value.members()) {
    RQ_TRY(Value pair, sequence_value(arguments.budget(), Kind::kTuple, {key, member}));
    pairs.push_back(std::move(pair));
  }
  return iterator_over(arguments, std::move(pairs));
}

Result<Value> batch(const Bound& arguments) {
  RQ_TRY(const Value all, items_of(arguments.budget(), arguments[0]));
  RQ_TRY(const std::int64_t size, arguments.integer(1, 0));
  const bool fills = arguments.get(2) != nullptr && !arguments[2].is_none();
  std::vector<Value> batches;
  std::vector<Value> batch;
  for (const Value& item : all.items()) {
    if (static_cast<std::int64_t>(batch.size()) == size) {
      RQ_TRY(Value full, arguments.renderer().list(std::move(batch)));
      batches.push_back(std::move(full));
      batch = {};
    }
    batch.push_back(item);
  }
  if (!batch.empty()) {
    const std::int64_t missing = size - static_cast<std::int64_t>(batch.size());
    if (fills && missing > 0) {
      const auto count = static_cast<std::uint64_t>(missing);
      RQ_CHECK(arguments.budget().room(count));
      RQ_CHECK(arguments.budget().room(count * sizeof(Value)));
      batch.insert(batch.end(), count, arguments[2]);
    }
    RQ_TRY(Value rest, arguments.renderer().list(std::move(batch)));
    batches.push_back(std::move(rest));
  }
  return iterator_over(arguments, std::move(batches));
}

Result<Value> slice(const Bound& arguments) {
  RQ_TRY(const Value all, items_of(arguments.budget(), arguments[0]));
  RQ_TRY(const std::int64_t count, arguments.integer(1, 0));
  const bool fills = arguments.get(2) != nullptr && !arguments[2].is_none();
  if (count == 0) return corrupt("division by zero");
  RQ_CHECK(arguments.budget().step(static_cast<std::uint64_t>(std::max<std::int64_t>(count, 0))));
  const auto size = static_cast<std::int64_t>(all.items().size());
  std::vector<Value> slices;
  auto at = all.items().begin();
  for (std::int64_t i = 0; i < count; ++i) {
    const bool extra = i < size % count;
    const auto end = at + size / count + (extra ? 1 : 0);
    std::vector<Value> part(at, end);
    at = end;
    if (fills && !extra) part.push_back(arguments[2]);
    RQ_TRY(Value list, arguments.renderer().list(std::move(part)));
    slices.push_back(std::move(list));
  }
  return iterator_over(arguments, std::move(slices));
}

constexpr Builtin kFilters[] = {
    {"batch", "value linecount fill_with", 2, batch},
    {"first", "seq", 1, first},
    {"items", "value", 1, items},
    {"last", "seq", 1, last},
    {"list", "value", 1, to_list},
    {"reverse", "value", 1, reverse},
    {"slice", "value slices fill_with", 2, slice},
};

}  // namespace

std::span<const Builtin> list_filters() { return kFilters; }

}  // namespace requant::jinja
