// Filters that make a text.
#include <fmt/format.h>

#include <algorithm>

#include "text/jinja/attribute.h"
#include "text/jinja/builtin.h"
#include "text/jinja/json_text.h"
#include "text/jinja/percent_format.h"
#include "text/jinja/points.h"
#include "text/jinja/print.h"
#include "text/jinja/renderer.h"
#include "text/jinja/replace.h"
#include "text/unicode.h"

namespace requant::jinja {
namespace {

template <std::string (*kChange)(std::string_view)>
Result<Value> changed(const Bound& arguments) {
  RQ_TRY(const std::string text, arguments.str(0));
  return arguments.renderer().text(kChange(text));
}

// The method of that name on the text of the value.
Result<Value> by_method(const Bound& arguments, std::string_view name,
                        std::initializer_list<std::size_t> parameters) {
  RQ_TRY(std::string text, arguments.str(0));
  RQ_TRY(Value self, arguments.renderer().text(std::move(text)));
  Arguments given;
  for (const std::size_t parameter : parameters) {
    if (arguments.get(parameter) != nullptr) given.positional.push_back(arguments[parameter]);
  }
  return arguments.renderer().call(method_value(self, *find_method(self, name)), std::move(given));
}

Result<Value> trim(const Bound& arguments) { return by_method(arguments, "strip", {1}); }

Result<Value> center(const Bound& arguments) {
  if (arguments.get(1) != nullptr) return by_method(arguments, "center", {1});
  RQ_TRY(std::string text, arguments.str(0));
  RQ_TRY(Value self, arguments.renderer().text(std::move(text)));
  return arguments.renderer().call(method_value(self, *find_method(self, "center")),
                                   {{Value::integer(80)}, {}});
}

std::string title(std::string_view text) {
  constexpr std::string_view kBreaks = "-({[<";
  std::string out;
  bool begins = true;
  while (!text.empty()) {
    const CodePoint point = first_code_point(text);
    const std::string_view letter = text.substr(0, point.size);
    const bool breaks = is_space(point.value) || kBreaks.find(letter) != std::string_view::npos;
    out += begins ? upper_case(letter) : requant::lower_case(letter);
    begins = breaks;
    text.remove_prefix(point.size);
  }
  return out;
}

Result<Value> replace(const Bound& arguments) {
  RQ_TRY(const std::string text, arguments.str(0));
  RQ_TRY(const std::string from, arguments.str(1));
  RQ_TRY(const std::string to, arguments.str(2));
  const bool all = arguments.get(3) == nullptr || arguments[3].is_none();
  RQ_TRY(const std::int64_t most, all ? Result<std::int64_t>(-1) : arguments.integer(3, -1));
  RQ_TRY(std::string out, replaced(arguments.budget(), text, from, to, most));
  return arguments.renderer().text(std::move(out));
}

// An indentation as a text, or as a number of spaces.
Result<std::string> indentation(const Bound& arguments, std::size_t parameter) {
  const Value* given = arguments.get(parameter);
  if (given != nullptr && given->is_text()) return given->text();
  RQ_TRY(const std::int64_t width, arguments.integer(parameter, 4));
  const auto count = static_cast<std::uint64_t>(std::max<std::int64_t>(width, 0));
  RQ_CHECK(arguments.budget().room(count));
  return std::string(count, ' ');
}

Result<Value> indent(const Bound& arguments) {
  RQ_TRY(const std::string text, arguments.text(0));
  RQ_TRY(const std::string before, indentation(arguments, 1));
  const bool first = arguments.flag(2, false);
  const bool blank = arguments.flag(3, false);
  const std::string ended = text + "\n";
  std::string out;
  bool at_first = true;
  for (const std::string_view line : lines_of(ended)) {
    const bool indents = at_first ? first : blank || !line.empty();
    RQ_CHECK(arguments.budget().room(out.size() + before.size() + line.size()));
    RQ_CHECK(arguments.budget().read(before.size() + line.size()));
    if (!at_first) out += '\n';
    if (indents) out += before;
    out += line;
    at_first = false;
  }
  return arguments.renderer().text(std::move(out));
}

Result<Value> truncate(const Bound& arguments) {
  RQ_TRY(const std::int64_t length, arguments.integer(1, 255));
  const bool inside_words = arguments.flag(2, false);
  RQ_TRY(const std::string end, arguments.text(3, "..."));
  RQ_TRY(const std::int64_t leeway, arguments.integer(4, 5));
  const auto end_size = static_cast<std::int64_t>(count_points(end));
  if (length < end_size || leeway < 0) return corrupt("'truncate' to less than its end");
  RQ_TRY(const std::int64_t size, jinja::length(arguments.budget(), arguments[0]));
  if (length >= size || leeway >= size - length) return arguments[0];
  RQ_TRY(const std::string text, arguments.text(0));
  std::string kept = text.substr(0, offset_of(text, static_cast<std::size_t>(length - end_size)));
  if (!inside_words) kept.resize(std::min(kept.rfind(' '), kept.size()));
  return arguments.renderer().text(kept + end);
}

std::string escaped(std::string_view text) {
  constexpr std::pair<char, std::string_view> kEscapes[] = {
      {'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&#34;"}, {'\'', "&#39;"}};
  std::string out;
  for (const char c : text) {
    const auto* const found =
        std::ranges::find(kEscapes, c, &std::pair<char, std::string_view>::first);
    if (found == std::end(kEscapes)) {
      out += c;
    } else {
      out += found->second;
    }
  }
  return out;
}

std::string same(std::string_view text) { return std::string(text); }

Result<Value> format(const Bound& arguments) {
  RQ_TRY(std::string text, arguments.str(0));
  RQ_TRY(const Value self, arguments.renderer().text(std::move(text)));
  const auto& [positional, named] = arguments.rest();
  if (!positional.empty() && !named.empty()) return corrupt("'format' by place and by name");
  if (named.empty()) {
    RQ_TRY(const Value values, sequence_value(arguments.budget(), Kind::kTuple, positional));
    return percent_format(arguments.renderer(), self, values);
  }
  Members members;
  for (const auto& [name, value] : named) members.emplace_back(Value::constant(name), value);
  RQ_TRY(const Value values, dict_value(arguments.budget(), std::move(members)));
  return percent_format(arguments.renderer(), self, values);
}

Result<Value> join(const Bound& arguments) {
  RQ_TRY(const Value items, items_of(arguments.budget(), arguments[0]));
  RQ_TRY(const std::string separator, arguments.str(1));
  const bool by_attribute = arguments.get(2) != nullptr && !arguments[2].is_none();
  RQ_CHECK(arguments.budget().room(items.items().size() * separator.size()));
  std::string out;
  bool first = true;
  for (const Value& item : items.items()) {
    Value value = item;
    if (by_attribute) {
      RQ_TRY(value, along_path(arguments.renderer(), item, arguments[2]));
    }
    if (!first) out += separator;
    first = false;
    RQ_CHECK(arguments.budget().room(out.size() + separator.size()));
    RQ_CHECK(arguments.budget().read(separator.size()));
    if (!value.is_undefined()) RQ_CHECK(append_str(arguments.budget(), value, out));
  }
  return arguments.renderer().text(std::move(out));
}

Result<Value> tojson(const Bound& arguments) {
  JsonStyle style;
  style.ascii = arguments.flag(1, false);
  style.sorted = arguments.flag(4, false);
  if (arguments.get(2) != nullptr && !arguments[2].is_none()) {
    RQ_TRY(style.indent, indentation(arguments, 2));
    style.item_separator = ",";
  }
  if (arguments.get(3) != nullptr && !arguments[3].is_none()) {
    RQ_TRY(const Value both, items_of(arguments.budget(), arguments[3]));
    const auto& items = both.items();
    if (items.size() != 2 || !items[0].is_text() || !items[1].is_text()) {
      return corrupt("'tojson' takes two separators");
    }
    style.item_separator = items[0].text();
    style.key_separator = items[1].text();
  }
  RQ_TRY(std::string out, to_json_text(arguments.budget(), arguments[0], style));
  return arguments.renderer().text(std::move(out));
}

constexpr Builtin kFilters[] = {
    {"capitalize", "value", 1, changed<capitalized>},
    {"center", "value width", 1, center},
    {"e", "value", 1, changed<escaped>},
    {"escape", "value", 1, changed<escaped>},
    {"forceescape", "value", 1, changed<escaped>},
    {"format", "value *", 1, format},
    {"indent", "s width first blank", 1, indent},
    {"join", "value d attribute", 1, join},
    {"lower", "value", 1, changed<requant::lower_case>},
    {"replace", "s old new count", 3, replace},
    {"safe", "value", 1, changed<same>},
    {"string", "value", 1, changed<same>},
    {"title", "value", 1, changed<title>},
    {"tojson", "x ensure_ascii indent separators sort_keys", 1, tojson},
    {"trim", "value chars", 1, trim},
    {"truncate", "s length killwords end leeway", 1, truncate},
    {"upper", "value", 1, changed<upper_case>},
};

}  // namespace

std::span<const Builtin> text_filters() { return kFilters; }

}  // namespace requant::jinja
