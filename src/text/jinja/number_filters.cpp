// Filters that make a number.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "text/jinja/arithmetic.h"
#include "text/jinja/attribute.h"
#include "text/jinja/builtin.h"
#include "text/jinja/points.h"
#include "text/jinja/renderer.h"

namespace requant::jinja {
namespace {

// What Python's int() and float() take: white space around, "_" between digits.
std::optional<std::string> plain_number(std::string_view text) {
  text = stripped(text, Sides::kBoth);
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto is_letter = [&](std::size_t at) {
      return at < text.size() && std::isalnum(static_cast<unsigned char>(text[at])) != 0;
    };
    if (text[i] != '_') {
      out += text[i];
    } else if (i == 0 || !is_letter(i - 1) || !is_letter(i + 1)) {
      return std::nullopt;
    }
  }
  return out;
}

std::optional<double> real_of(std::string_view text) {
  auto plain = plain_number(text);
  if (!plain || plain->empty()) return std::nullopt;
  std::string_view digits = *plain;
  if (digits.size() > 1 && digits[0] == '+' && digits[1] != '-') digits.remove_prefix(1);
  double value = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (read.ptr != digits.data() + digits.size()) return std::nullopt;
  if (read.ec == std::errc::result_out_of_range) return std::strtod(plain->c_str(), nullptr);
  if (read.ec != std::errc() || digits.find('(') != std::string_view::npos) return std::nullopt;
  return value;
}

Result<Value> whole_of(double value, const Value& otherwise) {
  if (std::isnan(value)) return otherwise;
  if (std::fabs(value) >= 9223372036854775808.0) return refused("an integer beyond 64 bits");
  return Value::integer(static_cast<std::int64_t>(value));
}

std::string_view without_prefix(std::string_view digits, std::int64_t& base) {
  constexpr std::pair<std::string_view, int> kPrefixes[] = {{"0x", 16}, {"0o", 8}, {"0b", 2}};
  for (const auto& [prefix, own] : kPrefixes) {
    const bool there = digits.size() > 2 && digits[0] == '0' && (digits[1] | 0x20) == prefix[1];
    if (!there || (base != own && base != 0)) continue;
    base = own;
    return digits.substr(2);
  }
  if (base == 0) base = 10;
  return digits;
}

Result<Value> from_text(const std::string& text, std::int64_t base, const Value& otherwise) {
  const auto plain = plain_number(text);
  std::string_view digits = plain ? std::string_view(*plain) : std::string_view();
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.remove_prefix(1);
  digits = without_prefix(digits, base);
  std::int64_t value = 0;
  const std::string number = (negative ? "-" : "") + std::string(digits);
  const auto read =
      std::from_chars(number.data(), number.data() + number.size(), value, static_cast<int>(base));
  if (!digits.empty() && digits[0] != '-' && read.ptr == number.data() + number.size()) {
    if (read.ec == std::errc()) return Value::integer(value);
    if (read.ec == std::errc::result_out_of_range) return refused("an integer beyond 64 bits");
  }
  const auto real = real_of(text);
  return real && std::isfinite(*real) ? whole_of(*real, otherwise) : Result<Value>(otherwise);
}

Result<Value> to_int(const Bound& arguments) {
  const Value& value = arguments[0];
  const Value otherwise = arguments.get(1) == nullptr ? Value::integer(0) : arguments[1];
  RQ_TRY(const std::int64_t base, arguments.integer(2, 10));
  if (base != 0 && (base < 2 || base > 36)) return otherwise;
  if (value.is_undefined()) return corrupt(value.why());
  if (value.is_text()) return from_text(value.text(), base, otherwise);
  if (value.is_integral()) return Value::integer(value.as_int());
  if (!value.is(Kind::kFloat)) return otherwise;
  return whole_of(value.as_real(), otherwise);
}

Result<Value> to_float(const Bound& arguments) {
  const Value& value = arguments[0];
  const Value otherwise = arguments.get(1) == nullptr ? Value::real(0) : arguments[1];
  if (value.is_undefined()) return corrupt(value.why());
  if (value.is_number()) return Value::real(value.as_real());
  if (!value.is_text()) return otherwise;
  const auto real = real_of(value.text());
  return real ? Value::real(*real) : otherwise;
}

Result<Value> absolute(const Bound& arguments) {
  const Value& value = arguments[0];
  const bool negative = value.is(Kind::kFloat) ? std::signbit(value.as_real())
                                               : value.is_number() && value.as_int() < 0;
  return signed_number(value, negative);
}

// To a number of decimals as Python's round() has it: the decimal that is nearest to the exact
// value of the double.
Result<double> rounded(double value, std::int64_t precision) {
  if (!std::isfinite(value)) return value;
  if (precision > 300) return value;
  if (precision < 0) {
    if (precision < -300) return std::copysign(0.0, value);
    const double unit = std::pow(10.0, static_cast<double>(-precision));
    return std::nearbyint(value / unit) * unit;
  }
  const std::string text = fmt::format("{:.{}f}", value, precision);
  double result = 0;
  std::from_chars(text.data(), text.data() + text.size(), result);
  return result;
}

Result<Value> round(const Bound& arguments) {
  const Value& value = arguments[0];
  if (value.is_undefined()) return corrupt(value.why());
  if (!value.is_number()) return corrupt(fmt::format("'round' of '{}'", value.type()));
  RQ_TRY(const std::int64_t precision, arguments.integer(1, 0));
  RQ_TRY(const std::string method, arguments.text(2, "common"));
  if (method == "common") {
    if (!value.is_integral()) {
      RQ_TRY(const double result, rounded(value.as_real(), precision));
      return Value::real(result);
    }
    if (precision < 0) return refused("'round' of an integer to a negative precision");
    return Value::integer(value.as_int());
  }
  if (method != "ceil" && method != "floor") return corrupt("'round' by common, ceil or floor");
  const double unit = std::pow(10.0, static_cast<double>(precision));
  const double scaled = value.as_real() * unit;
  return Value::real((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / unit);
}

Result<Value> sum(const Bound& arguments) {
  RQ_TRY(const Value items, items_of(arguments.budget(), arguments[0]));
  const Value path = arguments.get(1) == nullptr ? Value::none() : arguments[1];
  Value total = arguments.get(2) == nullptr ? Value::integer(0) : arguments[2];
  if (total.is_text()) return corrupt("'sum' of texts");
  for (const Value& item : items.items()) {
    RQ_TRY(const Value value, along_path(arguments.renderer(), item, path));
    RQ_TRY(total, calculate(arguments.renderer(), "+", total, value));
  }
  return total;
}

Result<Value> size(const Bound& arguments) {
  RQ_TRY(const std::int64_t count, length(arguments.budget(), arguments[0]));
  return Value::integer(count);
}

Result<Value> wordcount(const Bound& arguments) {
  RQ_TRY(const std::string text, arguments.str(0));
  std::int64_t words = 0;
  bool inside = false;
  for (std::string_view rest = text; !rest.empty(); rest.remove_prefix(point_size(rest))) {
    const std::string_view point = rest.substr(0, point_size(rest));
    const bool word = point == "_" || has_quality(point, Quality::kAlnum);
    words += word && !inside ? 1 : 0;
    inside = word;
  }
  return Value::integer(words);
}

constexpr Builtin kFilters[] = {
    {"abs", "x", 1, absolute},
    {"count", "obj", 1, size},
    {"float", "value default", 1, to_float},
    {"int", "value default base", 1, to_int},
    {"length", "obj", 1, size},
    {"round", "value precision method", 1, round},
    {"sum", "iterable attribute start", 1, sum},
    {"wordcount", "s", 1, wordcount},
};

}  // namespace

std::span<const Builtin> number_filters() { return kFilters; }

}  // namespace requant::jinja
