#include "arch/dimension.h"

#include <charconv>

#include "base/text.h"

namespace requant {
namespace {

std::optional<std::int64_t> factor(std::string_view text, const KeyValue& value_of) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size()) return number;
  return value_of(text);
}

std::optional<std::int64_t> apply(std::int64_t a, char operation, std::int64_t b) {
  std::int64_t result = 0;
  if (operation == '*') {
    if (__builtin_mul_overflow(a, b, &result)) return std::nullopt;
    return result;
  }
  if (b == 0 || a % b != 0) return std::nullopt;
  return a / b;
}

std::optional<std::int64_t> product(std::string_view text, const KeyValue& value_of) {
  std::int64_t total = 1;
  char operation = '*';
  for (;;) {
    const std::size_t at = text.find_first_of("*/");
    const auto value = factor(text.substr(0, at), value_of);
    if (!value) return std::nullopt;
    const auto result = apply(total, operation, *value);
    if (!result) return std::nullopt;
    total = *result;
    if (at == std::string_view::npos) return total;
    operation = text[at];
    text.remove_prefix(at + 1);
  }
}

}  // namespace

std::optional<std::int64_t> evaluate_dimension(std::string_view expression,
                                               const KeyValue& value_of) {
  std::int64_t sum = 0;
  for (const std::string_view term : split(expression, '+')) {
    const auto value = product(term, value_of);
    if (!value || __builtin_add_overflow(sum, *value, &sum)) return std::nullopt;
  }
  return sum;
}

}  // namespace requant
