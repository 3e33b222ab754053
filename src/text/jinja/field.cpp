#include "text/jinja/field.h"

#include <fmt/format.h>

#include <cmath>
#include <string_view>

#include "text/jinja/points.h"
#include "text/jinja/print.h"

namespace requant::jinja {
namespace {

std::string grouped_digits(std::string digits, char separator, std::size_t group) {
  if (separator == '\0') return digits;
  const std::size_t whole = std::min(digits.find_first_of(".e%"), digits.size());
  for (std::size_t at = whole; at > group;) {
    at -= group;
    digits.insert(at, 1, separator);
  }
  return digits;
}

// Without its sign.
Result<std::string> whole_digits(std::uint64_t value, const Field& field) {
  switch (field.type) {
    case '\0':
    case 'd':
    case 'n':
      return grouped_digits(std::to_string(value), field.grouping, 3);
    case 'x':
      return (field.alternate ? "0x" : "") + fmt::format("{:x}", value);
    case 'X':
      return (field.alternate ? "0X" : "") + fmt::format("{:X}", value);
    case 'o':
      return (field.alternate ? "0o" : "") + fmt::format("{:o}", value);
    case 'b':
      return (field.alternate ? "0b" : "") + fmt::format("{:b}", value);
    default:
      return corrupt(fmt::format("unknown format '{}' for an integer", field.type));
  }
}

Result<std::string> real_digits(double value, const Field& field) {
  const int precision = field.precision.value_or(6);
  std::string text;
  switch (field.type) {
    case '\0':
      if (field.precision) return refused("a format of a float with a precision and no type");
      text = real_text(value);
      break;
    case 'f':
    case 'F':
      text = fmt::format("{:.{}f}", value, precision);
      break;
    case 'e':
    case 'E':
      text = fmt::format("{:.{}e}", value, precision);
      break;
    case 'g':
    case 'G':
      text = fmt::format("{:.{}g}", value, precision);
      break;
    case '%':
      text = fmt::format("{:.{}f}%", value * 100, precision);
      break;
    default:
      return corrupt(fmt::format("unknown format '{}' for a float", field.type));
  }
  if (field.type == 'E' || field.type == 'F' || field.type == 'G') text = upper_case(text);
  return grouped_digits(std::move(text), field.grouping, 3);
}

}  // namespace

std::string aligned(const std::string& text, const Field& field, bool is_number) {
  const std::size_t size = count_points(text);
  if (size >= field.width) return text;
  const std::size_t missing = field.width - size;
  const char align = field.align != '\0' ? field.align : (is_number ? '>' : '<');
  std::size_t before = 0;
  if (align == '>') before = missing;
  if (align == '^') before = missing / 2;
  std::string out;
  std::size_t skip = 0;
  if (align == '=') {
    before = missing;
    if (!text.empty() && std::string_view("+- ").find(text[0]) != std::string_view::npos) skip = 1;
    if (text.size() > skip + 1 && text[skip] == '0' &&
        std::string_view("xXob").find(text[skip + 1]) != std::string_view::npos) {
      skip += 2;
    }
    out = text.substr(0, skip);
  }
  for (std::size_t i = 0; i < before; ++i) out += field.fill;
  out += text.substr(skip);
  for (std::size_t i = before; i < missing; ++i) out += field.fill;
  return out;
}

Result<std::string> number_field(const Value& number, const Field& field) {
  constexpr std::string_view kReal = "eEfFgG%";
  bool negative = false;
  std::string digits;
  if (number.is_integral() &&
      (field.type == '\0' || kReal.find(field.type) == std::string_view::npos)) {
    const std::int64_t value = number.as_int();
    negative = value < 0;
    const auto magnitude = static_cast<std::uint64_t>(value);
    RQ_TRY(digits, whole_digits(negative ? 0 - magnitude : magnitude, field));
  } else {
    const double value = number.as_real();
    negative = std::signbit(value);
    RQ_TRY(digits, real_digits(std::fabs(value), field));
  }
  if (negative) {
    digits.insert(0, 1, '-');
  } else if (field.sign != '-') {
    digits.insert(0, 1, field.sign);
  }
  return aligned(digits, field, true);
}

}  // namespace requant::jinja
