#include "text/jinja/print.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "text/jinja/callable.h"
#include "text/jinja/loop.h"
#include "text/jinja/points.h"
#include "text/unicode.h"

namespace requant::jinja {
namespace {

Result<void> append_list(Budget& budget, const std::vector<Value>& items, std::string& out) {
  bool first = true;
  for (const Value& item : items) {
    if (!first) out += ", ";
    first = false;
    RQ_CHECK(append_repr(budget, item, out));
  }
  return {};
}

Result<void> append_members(Budget& budget, const Members& members, std::string& out) {
  out += '{';
  bool first = true;
  for (const auto& [key, value] : members) {
    if (!first) out += ", ";
    first = false;
    RQ_CHECK(append_repr(budget, key, out));
    out += ": ";
    RQ_CHECK(append_repr(budget, value, out));
  }
  out += '}';
  return {};
}

Result<void> append_namespace(Budget& budget, const Namespace& space, std::string& out) {
  out += "<Namespace {";
  bool first = true;
  for (const auto& [name, value] : space.members) {
    if (!first) out += ", ";
    first = false;
    out += quoted(name) + ": ";
    RQ_CHECK(append_repr(budget, value, out));
  }
  out += "}>";
  return {};
}

Result<void> append_sequence(Budget& budget, const Value& value, std::string& out) {
  if (value.is(Kind::kRange)) {
    out += value.range_text();
    return {};
  }
  const bool list = value.is(Kind::kList);
  const bool tuple = value.is(Kind::kTuple);
  if (!list && !tuple) out += fmt::format("{}(", value.type());
  out += tuple ? '(' : '[';
  RQ_CHECK(append_list(budget, value.items(), out));
  if (tuple && value.items().size() == 1) out += ',';
  out += tuple ? ')' : ']';
  if (!list && !tuple) out += ')';
  return {};
}

}  // namespace

std::string real_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[64];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  const std::string_view text(buffer, static_cast<std::size_t>(end.ptr - buffer));
  const std::size_t e = text.find('e');
  int exponent = 0;
  const char* number = text.data() + e + (text[e + 1] == '+' ? 2 : 1);
  std::from_chars(number, text.data() + text.size(), exponent);
  if (exponent < -4 || exponent >= 16) return std::string(text);
  const auto fixed = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed);
  std::string out(buffer, static_cast<std::size_t>(fixed.ptr - buffer));
  if (out.find('.') == std::string::npos) out += ".0";
  return out;
}

std::string quoted(std::string_view text) {
  const bool twice =
      text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos;
  const char quote = twice ? '"' : '\'';
  std::string out(1, quote);
  while (!text.empty()) {
    const CodePoint point = first_code_point(text);
    const std::uint32_t c = point.value;
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\\' || c == static_cast<unsigned char>(quote)) {
      out += {'\\', static_cast<char>(c)};
    } else if (is_printable(c)) {
      out += text.substr(0, point.size);
    } else if (c < 0x100) {
      out += fmt::format("\\x{:02x}", c);
    } else if (c < 0x10000) {
      out += fmt::format("\\u{:04x}", c);
    } else {
      out += fmt::format("\\U{:08x}", c);
    }
    text.remove_prefix(point.size);
  }
  out += quote;
  return out;
}

Result<void> append_repr(Budget& budget, const Value& value, std::string& out) {
  if (!value.is_text()) return append_str(budget, value, out);
  RQ_CHECK(budget.read(value.text().size()));
  RQ_CHECK(budget.room(out.size() + 2 * value.text().size()));
  out += quoted(value.text());
  return {};
}

Result<void> append_str(Budget& budget, const Value& value, std::string& out) {
  RQ_CHECK(budget.step());
  const Level level(budget);
  RQ_CHECK(level.entered());
  switch (value.kind()) {
    case Kind::kUndefined:
      // Alone it is printed as nothing, in a list by its name.
      out += "Undefined";
      return {};
    case Kind::kNone:
      out += "None";
      return {};
    case Kind::kBool:
      out += value.as_bool() ? "True" : "False";
      return {};
    case Kind::kInt:
      out += std::to_string(value.as_int());
      return {};
    case Kind::kFloat:
      out += real_text(value.as_real());
      return {};
    case Kind::kText:
      RQ_CHECK(budget.room(out.size() + value.text().size()));
      out += value.text();
      return budget.read(value.text().size());
    case Kind::kDict:
      return append_members(budget, value.members(), out);
    case Kind::kNamespace:
      return append_namespace(budget, value.space(), out);
    case Kind::kLoop:
      out += fmt::format("<LoopContext {}/{}>", value.loop().at + 1, value.loop().length());
      return {};
    case Kind::kCallable:
      return corrupt("puts out the function '" + value.callable().name + "' itself");
    case Kind::kIterator:
      return corrupt("puts out what a filter goes through, not a list of it: |list is missing");
    default:
      return append_sequence(budget, value, out);
  }
}

Result<std::string> str(Budget& budget, const Value& value) {
  std::string out;
  if (!value.is_undefined()) RQ_CHECK(append_str(budget, value, out));
  return out;
}

}  // namespace requant::jinja
