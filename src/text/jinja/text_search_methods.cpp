// Methods of texts that ask something of them, as Python's str has them.
#include <fmt/format.h>

#include <algorithm>

#include "text/jinja/builtin.h"
#include "text/jinja/points.h"
#include "text/jinja/renderer.h"

namespace requant::jinja {
namespace {

// A part of a text by code points, and where it begins.
struct Part {
  std::string text;
  std::int64_t begin = 0;
  bool exists = true;  // begins at the end of the text at most
};

Result<std::int64_t> bound_at(const Bound& arguments, std::size_t parameter, std::int64_t size,
                              std::int64_t otherwise) {
  const Value* value = arguments.get(parameter);
  if (value == nullptr || value->is_none()) return otherwise;
  RQ_TRY(std::int64_t at, arguments.integer(parameter, 0));
  if (at < 0) at = at < -size ? 0 : at + size;
  return at;
}

// Of parameter 0, from parameter 2 to parameter 3.
Result<Part> part_of(const Bound& arguments) {
  RQ_TRY(std::string text, arguments.text(0));
  const auto size = static_cast<std::int64_t>(count_points(text));
  RQ_TRY(const std::int64_t begin, bound_at(arguments, 2, size, 0));
  RQ_TRY(std::int64_t end, bound_at(arguments, 3, size, size));
  end = std::min(end, size);
  if (begin > size) return Part{{}, begin, false};
  if (begin >= end) return Part{{}, begin, begin == end};
  const std::size_t from = offset_of(text, static_cast<std::size_t>(begin));
  const std::size_t to = offset_of(text, static_cast<std::size_t>(end));
  return Part{text.substr(from, to - from), begin, true};
}

template <bool kFromRight, bool kMustBe>
Result<Value> find(const Bound& arguments) {
  RQ_TRY(const Part part, part_of(arguments));
  RQ_TRY(const std::string wanted, arguments.text(1));
  const std::size_t at = kFromRight ? part.text.rfind(wanted) : part.text.find(wanted);
  if (part.exists && at != std::string::npos) {
    const auto before = count_points(std::string_view(part.text).substr(0, at));
    return Value::integer(part.begin + static_cast<std::int64_t>(before));
  }
  if (kMustBe) return corrupt("a text is not in another");
  return Value::integer(-1);
}

Result<Value> count(const Bound& arguments) {
  RQ_TRY(const Part part, part_of(arguments));
  RQ_TRY(const std::string wanted, arguments.text(1));
  if (!part.exists) return Value::integer(0);
  if (wanted.empty()) {
    return Value::integer(static_cast<std::int64_t>(count_points(part.text)) + 1);
  }
  std::int64_t found = 0;
  for (std::size_t at = part.text.find(wanted); at != std::string::npos;
       at = part.text.find(wanted, at + wanted.size())) {
    ++found;
  }
  return Value::integer(found);
}

template <bool kAtEnd>
Result<Value> begins_or_ends(const Bound& arguments) {
  RQ_TRY(const Part part, part_of(arguments));
  std::vector<Value> wanted = {arguments[1]};
  if (arguments[1].is(Kind::kTuple)) wanted = arguments[1].items();
  for (const Value& one : wanted) {
    if (one.is_undefined()) return corrupt(one.why());
    if (!one.is_text()) {
      return corrupt(fmt::format("'{}' takes a text, not '{}'", arguments.name(), one.type()));
    }
    const bool there = kAtEnd ? part.text.ends_with(one.text()) : part.text.starts_with(one.text());
    if (part.exists && there) return Value::boolean(true);
  }
  return Value::boolean(false);
}

template <Quality kQuality>
Result<Value> is(const Bound& arguments) {
  RQ_TRY(const std::string text, arguments.text(0));
  return Value::boolean(has_quality(text, kQuality));
}

Result<Value> isidentifier(const Bound& arguments) {
  RQ_TRY(const std::string text, arguments.text(0));
  return Value::boolean(is_identifier(text));
}

constexpr Builtin kMethods[] = {
    {"count", "self sub start end", 2, count},
    {"endswith", "self suffix start end", 2, begins_or_ends<true>},
    {"find", "self sub start end", 2, find<false, false>},
    {"index", "self sub start end", 2, find<false, true>},
    {"isalnum", "self", 1, is<Quality::kAlnum>},
    {"isalpha", "self", 1, is<Quality::kAlpha>},
    {"isascii", "self", 1, is<Quality::kAscii>},
    {"isdecimal", "self", 1, is<Quality::kDecimal>},
    {"isdigit", "self", 1, is<Quality::kDigit>},
    {"isidentifier", "self", 1, isidentifier},
    {"islower", "self", 1, is<Quality::kLower>},
    {"isnumeric", "self", 1, is<Quality::kNumeric>},
    {"isprintable", "self", 1, is<Quality::kPrintable>},
    {"isspace", "self", 1, is<Quality::kSpace>},
    {"istitle", "self", 1, is<Quality::kTitle>},
    {"isupper", "self", 1, is<Quality::kUpper>},
    {"rfind", "self sub start end", 2, find<true, false>},
    {"rindex", "self sub start end", 2, find<true, true>},
    {"startswith", "self prefix start end", 2, begins_or_ends<false>},
};

}  // namespace

std::span<const Builtin> text_search_methods() { return kMethods; }

}  // namespace requant::jinja
