// What a template may call without being given it.
#include <fmt/format.h>

#include <array>

#include "base/text.h"
#include "text/jinja/builtin.h"
#include "text/jinja/renderer.h"

namespace requant::jinja {
namespace {

constexpr std::int64_t kLongestRange = 100'000;

Result<Value> range(const Bound& arguments) {
  RQ_TRY(std::int64_t end, arguments.integer(0, 0));
  std::int64_t begin = 0;
  if (arguments.get(1) != nullptr) {
    begin = end;
    RQ_TRY(end, arguments.integer(1, 0));
  }
  RQ_TRY(const std::int64_t step, arguments.integer(2, 1));
  if (step == 0) return corrupt("a range with the step 0");
  std::vector<Value> items;
  for (std::int64_t at = begin; step > 0 ? at < end : at > end;) {
    if (static_cast<std::int64_t>(items.size()) == kLongestRange) {
      return refused("a range of over 100,000 numbers");
    }
    items.push_back(Value::integer(at));
    if (__builtin_add_overflow(at, step, &at)) break;
  }
  RQ_CHECK(arguments.budget().step(items.size() / 2));
  std::string printed = fmt::format("range({}, {}", begin, end);
  printed += step == 1 ? ")" : fmt::format(", {})", step);
  return sequence_value(arguments.budget(), Kind::kRange, std::move(items), std::move(printed));
}

// The members that dict() and namespace() are given.
Result<Members> members_of(const Bound& arguments) {
  Members members;
  const auto& [positional, named] = arguments.rest();
  if (positional.size() > 1) return corrupt(fmt::format("'{}' takes one dict", arguments.name()));
  for (const Value& given : positional) {
    if (given.is(Kind::kDict)) {
      members = given.members();
      continue;
    }
    RQ_TRY(const Value pairs, items_of(arguments.budget(), given));
    for (const Value& pair : pairs.items()) {
      RQ_TRY(const Value both, items_of(arguments.budget(), pair));
      if (both.items().size() != 2) return corrupt("a dict is made of pairs");
      RQ_CHECK(set_member(arguments.budget(), members, both.items()[0], both.items()[1]));
    }
  }
  for (const auto& [name, value] : named) {
    RQ_TRY(Value key, arguments.renderer().text(name));
    RQ_CHECK(set_member(arguments.budget(), members, std::move(key), value));
  }
  return members;
}

Result<Value> dict(const Bound& arguments) {
  RQ_TRY(Members members, members_of(arguments));
  return dict_value(arguments.budget(), std::move(members));
}

Result<Value> make_namespace(const Bound& arguments) {
  RQ_TRY(const Members members, members_of(arguments));
  RQ_CHECK(arguments.budget().step(16 + members.size()));
  std::vector<std::pair<std::string, Value>> names;
  for (const auto& [key, value] : members) {
    if (!key.is_text()) return corrupt("a namespace with a name that is no text");
    names.emplace_back(key.text(), value);
  }
  return arguments.renderer().make_namespace(std::move(names));
}

Result<Value> raise_exception(const Bound& arguments) {
  RQ_TRY(const std::string message, arguments.str(0));
  return refused("the template says: " + printable(message, 512));
}

Result<Value> strftime_now(const Bound& arguments) {
  RQ_TRY(const std::string format, arguments.text(0));
  if (format.size() > 256) return refused("a format of a date of over 256 bytes");
  for (std::size_t at = format.find('%'); at != std::string::npos; at = format.find('%', at + 2)) {
    constexpr std::string_view kKnown = "aAbBcCdDeFgGhHIjklmMnprRsStTuUVwWxXyYzZ%";
    std::size_t letter = at + 1;
    if (letter < format.size() && format[letter] == '-') ++letter;
    if (letter >= format.size() || kKnown.find(format[letter]) == std::string_view::npos) {
      return refused("a format of a date that is not known: " + in_quotes(format));
    }
  }
  std::array<char, 8192> buffer;
  const std::size_t size =
      std::strftime(buffer.data(), buffer.size(), format.c_str(), &arguments.renderer().now());
  return arguments.renderer().text(std::string(buffer.data(), size));
}

constexpr Builtin kFunctions[] = {
    {"range", "start stop step", 1, range},      {"dict", "*", 0, dict},
    {"namespace", "*", 0, make_namespace},       {"raise_exception", "message", 1, raise_exception},
    {"strftime_now", "format", 1, strftime_now},
};

}  // namespace

std::span<const Builtin> functions() { return kFunctions; }

}  // namespace requant::jinja
