#include "text/jinja/attribute.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "text/jinja/builtin.h"
#include "text/jinja/loop.h"
#include "text/jinja/points.h"
#include "text/jinja/renderer.h"

namespace requant::jinja {
namespace {

Value no_attribute(const Value& object, std::string_view name) {
  return Value::undefined(fmt::format("'{}' has no attribute {}", object.type(), in_quotes(name)));
}

Value from_namespace(const Value& space, std::string_view name) {
  for (const auto& [member, value] : space.space().members) {
    if (member == name) return value;
  }
  return no_attribute(space, name);
}

// Methods, and what stands for those that are not to be had; nothing where there is no such.
Result<std::optional<Value>> method_of(const Value& object, std::string_view name) {
  if (name.starts_with("__")) {
    return refused("access to the attribute " + in_quotes(name) + " is unsafe");
  }
  if (changes_its_object(object, name)) {
    return std::optional(Value::undefined(fmt::format(
        "access to {} of '{}' is unsafe: it changes it", in_quotes(name), object.type())));
  }
  if (const Builtin* method = find_method(object, name)) {
    return std::optional(method_value(object, *method));
  }
  return std::optional<Value>();
}

// Where an item of a list or a text is; nothing where it has none of that number.
std::optional<std::size_t> place(std::int64_t index, std::size_t size) {
  const auto count = static_cast<std::int64_t>(size);
  if (index < 0) index += count;
  if (index < 0 || index >= count) return std::nullopt;
  return static_cast<std::size_t>(index);
}

Result<Value> by_number(Renderer& renderer, const Value& object, std::int64_t index) {
  const Value none = Value::undefined(fmt::format("'{}' has no element {}", object.type(), index));
  if (object.is_text()) {
    RQ_CHECK(renderer.budget().read(object.text().size()));
    const auto at = place(index, count_points(object.text()));
    if (!at) return none;
    const std::string_view rest =
        std::string_view(object.text()).substr(offset_of(object.text(), *at));
    return renderer.text(std::string(rest.substr(0, point_size(rest))));
  }
  const bool list = object.is(Kind::kList) || object.is(Kind::kTuple) || object.is(Kind::kRange);
  const auto at = list ? place(index, object.items().size()) : std::nullopt;
  return at ? object.items()[*at] : none;
}

// A slice as Python has it: from begin by step, `count` items.
struct Slice {
  std::int64_t begin = 0;
  std::int64_t step = 1;
  std::int64_t count = 0;
};

Result<Slice> slice_for(const Value (&bounds)[3], std::int64_t size) {
  for (const Value& bound : bounds) {
    if (bound.is_none() || bound.is_integral()) continue;
    return corrupt(fmt::format("a slice by '{}'", bound.type()));
  }
  Slice slice;
  if (!bounds[2].is_none()) slice.step = bounds[2].as_int();
  if (slice.step == 0) return corrupt("a slice with the step 0");
  const bool back = slice.step < 0;
  const std::int64_t low = back ? -1 : 0;
  const std::int64_t high = back ? size - 1 : size;
  const auto bound = [&](const Value& value, std::int64_t otherwise) {
    if (value.is_none()) return otherwise;
    std::int64_t at = value.as_int();
    if (at < 0) at = at < -size ? low : at + size;
    return std::clamp(at, low, high);
  };
  slice.begin = bound(bounds[0], back ? high : low);
  const std::int64_t end = bound(bounds[1], back ? low : high);
  // Steps beyond the size take one item.
  slice.step = std::clamp(slice.step, -size - 1, size + 1);
  const std::int64_t span = back ? slice.begin - end : end - slice.begin;
  const std::int64_t stride = back ? -slice.step : slice.step;
  slice.count = span <= 0 ? 0 : (span + stride - 1) / stride;
  return slice;
}

Result<Value> text_slice(Renderer& renderer, const std::string& text, const Slice& slice) {
  RQ_CHECK(renderer.budget().read(text.size()));
  if (slice.count == 0) return renderer.text({});
  if (slice.step == 1) {
    const std::size_t begin = offset_of(text, static_cast<std::size_t>(slice.begin));
    const std::string_view rest = std::string_view(text).substr(begin);
    return renderer.text(
        std::string(rest.substr(0, offset_of(rest, static_cast<std::size_t>(slice.count)))));
  }
  std::vector<std::string_view> points;
  RQ_CHECK(renderer.budget().room(text.size() * sizeof(std::string_view)));
  for (std::string_view rest = text; !rest.empty(); rest.remove_prefix(point_size(rest))) {
    points.push_back(rest.substr(0, point_size(rest)));
  }
  std::string out;
  for (std::int64_t i = 0; i < slice.count; ++i) {
    out += points[static_cast<std::size_t>(slice.begin + i * slice.step)];
  }
  return renderer.text(std::move(out));
}

}  // namespace

Result<Value> attribute_of(Renderer& renderer, const Value& object, std::string_view name) {
  RQ_CHECK(renderer.budget().step(4));
  if (object.is_undefined()) return corrupt(object.why());
  if (object.is(Kind::kNamespace)) return from_namespace(object, name);
  if (object.is(Kind::kLoop)) return loop_attribute(object, name);
  if (object.is(Kind::kCallable) && name == "name") return renderer.text(object.callable().name);
  const Value* member = object.is(Kind::kDict) ? find_member(object.members(), name) : nullptr;
  if (object.is(Kind::kDict)) RQ_CHECK(renderer.budget().step(object.members().size() / 16));
  if (member != nullptr && name.starts_with("__")) return *member;
  RQ_TRY(const std::optional<Value> method, method_of(object, name));
  if (method) return *method;
  return member != nullptr ? *member : no_attribute(object, name);
}

Result<Value> item_of(Renderer& renderer, const Value& object, const Value& key) {
  RQ_CHECK(renderer.budget().step(4));
  if (object.is_undefined()) return corrupt(object.why());
  if (object.is(Kind::kDict) && can_be_key(key)) {
    RQ_TRY(const Value* member, find_member(renderer.budget(), object.members(), key));
    if (member != nullptr) return *member;
  }
  if (key.is_integral()) return by_number(renderer, object, key.as_int());
  if (!key.is_text()) {
    return Value::undefined(fmt::format("'{}' has no such element", object.type()));
  }
  if (object.is(Kind::kNamespace)) return from_namespace(object, key.text());
  if (object.is(Kind::kLoop)) return loop_attribute(object, key.text());
  RQ_TRY(const std::optional<Value> method, method_of(object, key.text()));
  return method ? *method : no_attribute(object, key.text());
}

Result<Value> slice_of(Renderer& renderer, const Value& object, const Value (&bounds)[3]) {
  if (object.is_undefined()) return corrupt(object.why());
  const bool list = object.is(Kind::kList) || object.is(Kind::kTuple) || object.is(Kind::kRange);
  if (!list && !object.is_text()) {
    return corrupt(fmt::format("'{}' has no slices", object.type()));
  }
  RQ_TRY(const std::int64_t size, length(renderer.budget(), object));
  RQ_TRY(const Slice slice, slice_for(bounds, size));
  if (object.is_text()) return text_slice(renderer, object.text(), slice);
  std::vector<Value> items;
  for (std::int64_t i = 0; i < slice.count; ++i) {
    items.push_back(object.items()[static_cast<std::size_t>(slice.begin + i * slice.step)]);
  }
  const Kind kind = object.is(Kind::kTuple) ? Kind::kTuple : Kind::kList;
  return sequence_value(renderer.budget(), kind, std::move(items));
}

Result<Value> along_path(Renderer& renderer, Value object, const Value& path,
                         const Value* otherwise) {
  if (path.is_none()) return object;
  std::vector<Value> keys;
  if (path.is_text()) {
    for (const std::string_view part : split(path.text(), '.')) {
      std::int64_t number = 0;
      const auto read = std::from_chars(part.data(), part.data() + part.size(), number);
      const bool whole = !part.empty() && part[0] != '-' && read.ec == std::errc() &&
                         read.ptr == part.data() + part.size();
      keys.push_back(whole ? Value::integer(number) : Value::constant(std::string(part)));
    }
  } else {
    keys.push_back(path);
  }
  for (const Value& key : keys) {
    RQ_TRY(object, item_of(renderer, object, key));
    if (otherwise != nullptr && object.is_undefined()) object = *otherwise;
  }
  return object;
}

}  // namespace requant::jinja
