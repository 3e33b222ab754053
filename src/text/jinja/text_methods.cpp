// Methods of texts that change them, as Python's str has them.
#include <fmt/format.h>

#include <algorithm>

#include "text/jinja/brace_format.h"
#include "text/jinja/builtin.h"
#include "text/jinja/points.h"
#include "text/jinja/print.h"
#include "text/jinja/renderer.h"
#include "text/jinja/replace.h"
#include "text/unicode.h"

namespace requant::jinja {
namespace {

template <std::string (*kChange)(std::string_view)>
Result<Value> changed(const Bound& arguments) {
  RQ_TRY(const std::string text, arguments.text(0));
  return arguments.renderer().text(kChange(text));
}

template <Sides kSides>
Result<Value> strip(const Bound& arguments) {
  RQ_TRY(const std::string text, arguments.text(0));
  const Value* characters = arguments.get(1);
  if (characters == nullptr || characters->is_none()) {
    return arguments.renderer().text(std::string(stripped(text, kSides)));
  }
  RQ_TRY(const std::string given, arguments.text(1));
  RQ_CHECK(arguments.budget().step(given.size()));
  return arguments.renderer().text(std::string(stripped(text, given, kSides)));
}

// Of width and fill: before and after the text.
template <char kAlign>
Result<Value> padded(const Bound& arguments) {
  RQ_TRY(std::string text, arguments.text(0));
  RQ_TRY(const std::int64_t width, arguments.integer(1, 0));
  RQ_TRY(const std::string fill, arguments.text(2, " "));
  if (count_points(fill) != 1) return corrupt("a fill that is not one character");
  const auto missing = width - static_cast<std::int64_t>(count_points(text));
  if (missing <= 0) return arguments.renderer().text(std::move(text));
  RQ_CHECK(arguments.budget().room(static_cast<std::uint64_t>(missing)));
  RQ_CHECK(arguments.budget().room(static_cast<std::uint64_t>(missing) * fill.size()));
  RQ_CHECK(arguments.budget().read(static_cast<std::uint64_t>(missing) * fill.size()));
  std::int64_t before = 0;
  if (kAlign == '>') before = missing;
  // Where the rest is odd, Python's str.center() leans to the left by the width.
  if (kAlign == '^') before = missing / 2 + (missing & width & 1);
  std::string out;
  for (std::int64_t i = 0; i < before; ++i) out += fill;
  out += text;
  for (std::int64_t i = before; i < missing; ++i) out += fill;
  return arguments.renderer().text(std::move(out));
}

Result<Value> zfill(const Bound& arguments) {
  RQ_TRY(std::string text, arguments.text(0));
  RQ_TRY(const std::int64_t width, arguments.integer(1, 0));
  const auto missing = width - static_cast<std::int64_t>(count_points(text));
  if (missing <= 0) return arguments.renderer().text(std::move(text));
  RQ_CHECK(arguments.budget().room(static_cast<std::uint64_t>(missing)));
  RQ_CHECK(arguments.budget().read(static_cast<std::uint64_t>(missing)));
  const bool sign = text.starts_with('+') || text.starts_with('-');
  text.insert(sign ? 1 : 0, static_cast<std::size_t>(missing), '0');
  return arguments.renderer().text(std::move(text));
}

Result<Value> replace(const Bound& arguments) {
  RQ_TRY(const std::string text, arguments.text(0));
  RQ_TRY(const std::string from, arguments.text(1));
  RQ_TRY(const std::string to, arguments.text(2));
  RQ_TRY(const std::int64_t most, arguments.integer(3, -1));
  RQ_TRY(std::string out, replaced(arguments.budget(), text, from, to, most));
  return arguments.renderer().text(std::move(out));
}

template <bool kAtEnd>
Result<Value> without(const Bound& arguments) {
  RQ_TRY(std::string text, arguments.text(0));
  RQ_TRY(const std::string part, arguments.text(1));
  if (kAtEnd && text.ends_with(part)) text.resize(text.size() - part.size());
  if (!kAtEnd && text.starts_with(part)) text.erase(0, part.size());
  return arguments.renderer().text(std::move(text));
}

Result<Value> join(const Bound& arguments) {
  RQ_TRY(const std::string separator, arguments.text(0));
  RQ_TRY(const Value items, items_of(arguments.budget(), arguments[1]));
  RQ_CHECK(arguments.budget().room(items.items().size() * separator.size()));
  std::string out;
  bool first = true;
  for (const Value& item : items.items()) {
    if (!item.is_text()) {
      return corrupt(fmt::format("'join' takes texts, not '{}'", item.type()));
    }
    RQ_CHECK(arguments.budget().room(out.size() + separator.size() + item.text().size()));
    RQ_CHECK(arguments.budget().read(separator.size() + item.text().size()));
    if (!first) out += separator;
    first = false;
    out += item.text();
  }
  return arguments.renderer().text(std::move(out));
}

Result<Value> texts(const Bound& arguments, Kind kind, const std::vector<std::string_view>& parts) {
  RQ_CHECK(arguments.budget().room(parts.size() * 2 * sizeof(Value)));
  std::vector<Value> items;
  for (const std::string_view part : parts) {
    RQ_TRY(Value item, arguments.renderer().text(std::string(part)));
    items.push_back(std::move(item));
  }
  return sequence_value(arguments.budget(), kind, std::move(items));
}

template <bool kFromRight>
Result<Value> split(const Bound& arguments) {
  RQ_TRY(const std::string text, arguments.text(0));
  RQ_TRY(const std::int64_t most, arguments.integer(2, -1));
  RQ_CHECK(arguments.budget().step(text.size() / 16));
  const Value* separator = arguments.get(1);
  if (separator == nullptr || separator->is_none()) {
    return texts(arguments, Kind::kList, words_of(text, most, kFromRight));
  }
  RQ_TRY(const std::string given, arguments.text(1));
  if (given.empty()) return corrupt("'split' with an empty separator");
  return texts(arguments, Kind::kList, cut(text, given, most, kFromRight));
}

template <bool kFromRight>
Result<Value> partition(const Bound& arguments) {
  RQ_TRY(const std::string text, arguments.text(0));
  RQ_TRY(const std::string separator, arguments.text(1));
  if (separator.empty()) return corrupt("'partition' with an empty separator");
  const std::vector<std::string_view> parts = cut(text, separator, 1, kFromRight);
  if (parts.size() == 2) return texts(arguments, Kind::kTuple, {parts[0], separator, parts[1]});
  if (kFromRight) return texts(arguments, Kind::kTuple, {"", "", text});
  return texts(arguments, Kind::kTuple, {text, "", ""});
}

Result<Value> splitlines(const Bound& arguments) {
  RQ_TRY(const std::string text, arguments.text(0));
  return texts(arguments, Kind::kList, lines_of(text, arguments.flag(1, false)));
}

constexpr Builtin kMethods[] = {
    {"capitalize", "self", 1, changed<capitalized>},
    {"casefold", "self", 1, changed<requant::lower_case>},
    {"center", "self width fillchar", 2, padded<'^'>},
    {"format", "self *", 1, brace_format},
    {"join", "self iterable", 2, join},
    {"ljust", "self width fillchar", 2, padded<'<'>},
    {"lower", "self", 1, changed<requant::lower_case>},
    {"lstrip", "self chars", 1, strip<Sides::kLeft>},
    {"partition", "self sep", 2, partition<false>},
    {"removeprefix", "self prefix", 2, without<false>},
    {"removesuffix", "self suffix", 2, without<true>},
    {"replace", "self old new count", 3, replace},
    {"rjust", "self width fillchar", 2, padded<'>'>},
    {"rpartition", "self sep", 2, partition<true>},
    {"rsplit", "self sep maxsplit", 1, split<true>},
    {"rstrip", "self chars", 1, strip<Sides::kRight>},
    {"split", "self sep maxsplit", 1, split<false>},
    {"splitlines", "self keepends", 1, splitlines},
    {"strip", "self chars", 1, strip<Sides::kBoth>},
    {"swapcase", "self", 1, changed<swapped_case>},
    {"title", "self", 1, changed<title_case>},
    {"upper", "self", 1, changed<upper_case>},
    {"zfill", "self width", 2, zfill},
};

}  // namespace

std::span<const Builtin> text_methods() { return kMethods; }

}  // namespace requant::jinja
