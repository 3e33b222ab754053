#include "text/jinja/arithmetic.h"

#include <fmt/format.h>

#include <cmath>

#include "text/jinja/percent_format.h"
#include "text/jinja/renderer.h"

namespace requant::jinja {
namespace {

Error beyond() { return refused("an integer beyond 64 bits"); }

Error no_such(std::string_view sign, const Value& a, const Value& b) {
  if (a.is_undefined()) return corrupt(a.why());
  if (b.is_undefined()) return corrupt(b.why());
  return corrupt(fmt::format("'{}' and '{}' have no '{}'", a.type(), b.type(), sign));
}

Result<std::int64_t> whole_power(std::int64_t base, std::int64_t exponent) {
  std::int64_t result = 1;
  while (exponent > 0) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) return beyond();
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) return beyond();
  }
  return result;
}

// Towards minus infinity, as Python divides.
struct Division {
  std::int64_t quotient;
  std::int64_t rest;
};
Result<Division> divided(std::int64_t a, std::int64_t b) {
  if (b == 0) return corrupt("division by zero");
  if (b == -1) {
    std::int64_t negated = 0;
    if (__builtin_sub_overflow(std::int64_t{0}, a, &negated)) return beyond();
    return Division{negated, 0};
  }
  Division result{a / b, a % b};
  if (result.rest != 0 && (result.rest < 0) != (b < 0)) {
    --result.quotient;
    result.rest += b;
  }
  return result;
}

Result<Value> whole(std::string_view sign, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  if (sign == "+" && !__builtin_add_overflow(a, b, &result)) return Value::integer(result);
  if (sign == "-" && !__builtin_sub_overflow(a, b, &result)) return Value::integer(result);
  if (sign == "*" && !__builtin_mul_overflow(a, b, &result)) return Value::integer(result);
  if (sign == "//" || sign == "%") {
    RQ_TRY(const Division division, divided(a, b));
    return Value::integer(sign == "%" ? division.rest : division.quotient);
  }
  if (sign == "**") {
    RQ_TRY(result, whole_power(a, b));
    return Value::integer(result);
  }
  return beyond();
}

Result<Value> real(std::string_view sign, double a, double b) {
  if (sign == "+") return Value::real(a + b);
  if (sign == "-") return Value::real(a - b);
  if (sign == "*") return Value::real(a * b);
  if (sign == "**") {
    if (a == 0 && b < 0) return corrupt("zero to a negative power");
    const double result = std::pow(a, b);
    if (std::isfinite(a) && std::isfinite(b) && !std::isfinite(result)) {
      return refused("a power that is no number");
    }
    return Value::real(result);
  }
  if (b == 0) return corrupt("division by zero");
  if (sign == "/") return Value::real(a / b);
  double rest = std::fmod(a, b);
  double quotient = (a - rest) / b;
  if (rest != 0) {
    if ((b < 0) != (rest < 0)) {
      rest += b;
      quotient -= 1;
    }
  } else {
    rest = std::copysign(0.0, b);
  }
  if (sign == "%") return Value::real(rest);
  if (quotient == 0) return Value::real(std::copysign(0.0, a / b));
  const double below = std::floor(quotient);
  return Value::real(quotient - below > 0.5 ? below + 1 : below);
}

Result<Value> repeated(Renderer& renderer, const Value& value, std::int64_t count) {
  const auto times = static_cast<std::uint64_t>(std::max<std::int64_t>(count, 0));
  const std::uint64_t size =
      value.is_text() ? value.text().size() : value.items().size() * sizeof(Value);
  std::uint64_t bytes = 0;
  if (__builtin_mul_overflow(size, times, &bytes)) bytes = UINT64_MAX;
  RQ_CHECK(renderer.budget().room(bytes));
  RQ_CHECK(renderer.budget().step(bytes / 64));
  if (value.is_text()) {
    std::string out;
    if (size > 0) {
      for (std::uint64_t i = 0; i < times; ++i) out += value.text();
    }
    return renderer.text(std::move(out));
  }
  std::vector<Value> items;
  if (size > 0) {
    for (std::uint64_t i = 0; i < times; ++i) {
      items.insert(items.end(), value.items().begin(), value.items().end());
    }
  }
  return sequence_value(renderer.budget(), value.kind(), std::move(items));
}

bool is_list(const Value& value) { return value.is(Kind::kList) || value.is(Kind::kTuple); }

Result<Value> joined(Renderer& renderer, const Value& a, const Value& b) {
  if (a.is_text()) {
    RQ_CHECK(renderer.budget().room(a.text().size() + b.text().size()));
    return renderer.text(a.text() + b.text());
  }
  RQ_CHECK(renderer.budget().room((a.items().size() + b.items().size()) * sizeof(Value)));
  std::vector<Value> items = a.items();
  items.insert(items.end(), b.items().begin(), b.items().end());
  return sequence_value(renderer.budget(), a.kind(), std::move(items));
}

}  // namespace

Result<Value> calculate(Renderer& renderer, std::string_view sign, const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) {
    const bool fraction = sign == "/" || (sign == "**" && b.is_integral() && b.as_int() < 0);
    if (a.is_integral() && b.is_integral() && !fraction) return whole(sign, a.as_int(), b.as_int());
    return real(sign, a.as_real(), b.as_real());
  }
  if (sign == "%" && a.is_text()) return percent_format(renderer, a, b);
  const bool alike = a.kind() == b.kind() && (a.is_text() || is_list(a));
  if (sign == "+" && alike) return joined(renderer, a, b);
  if (sign == "*") {
    if ((a.is_text() || is_list(a)) && b.is_integral()) return repeated(renderer, a, b.as_int());
    if ((b.is_text() || is_list(b)) && a.is_integral()) return repeated(renderer, b, a.as_int());
  }
  return no_such(sign, a, b);
}

Result<Value> signed_number(const Value& value, bool negative) {
  if (value.is_undefined()) return corrupt(value.why());
  if (!value.is_number()) return corrupt(fmt::format("'{}' has no sign", value.type()));
  if (!value.is_integral()) return Value::real(negative ? -value.as_real() : value.as_real());
  std::int64_t result = value.as_int();
  if (negative && __builtin_sub_overflow(std::int64_t{0}, result, &result)) return beyond();
  return Value::integer(result);
}

}  // namespace requant::jinja
