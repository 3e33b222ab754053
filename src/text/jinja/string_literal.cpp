#include "text/jinja/string_literal.h"

#include <charconv>
#include <cstdint>
#include <utility>

#include "text/unicode.h"

namespace requant::jinja {
namespace {

// The number of `digits` at the front of `text`; beyond Unicode where there are none.
std::uint32_t number_at(std::string_view text, std::size_t digits, int base) {
  constexpr std::uint32_t kNone = UINT32_MAX;
  if (text.size() < digits) return kNone;
  std::uint32_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + digits, value, base);
  return read.ec == std::errc() && read.ptr == text.data() + digits ? value : kNone;
}

Result<void> add_point(std::string& out, std::uint32_t value) {
  if (value > 0x10FFFF) return corrupt("a text with an escape of no character");
  if (value >= 0xD800 && value <= 0xDFFF) return refused("a text with half a character");
  append_utf8(out, value);
  return {};
}

std::size_t octal_size(std::string_view text) {
  std::size_t size = 0;
  while (size < 3 && size < text.size() && text[size] >= '0' && text[size] <= '7') ++size;
  return size;
}

// What stands after a backslash; gives how many bytes it took.
Result<std::size_t> add_escape(std::string& out, std::string_view text) {
  constexpr std::string_view kLetters = "\\'\"abfnrtv";
  constexpr std::string_view kValues = "\\'\"\a\b\f\n\r\t\v";
  const char letter = text[0];
  if (letter == '\n') return 1;
  if (const std::size_t at = kLetters.find(letter); at != std::string_view::npos) {
    out += kValues[at];
    return 1;
  }
  constexpr std::pair<char, std::size_t> kHex[] = {{'x', 2}, {'u', 4}, {'U', 8}};
  for (const auto& [name, digits] : kHex) {
    if (letter != name) continue;
    RQ_CHECK(add_point(out, number_at(text.substr(1), digits, 16)));
    return 1 + digits;
  }
  if (const std::size_t digits = octal_size(text); digits > 0) {
    RQ_CHECK(add_point(out, number_at(text, digits, 8)));
    return digits;
  }
  if (letter == 'N') return refused("a text with a character by its name");
  out += '\\';
  return 0;
}

}  // namespace

Result<std::string> string_literal(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    if (text[0] != '\\' || text.size() == 1) {
      out += text[0];
      text.remove_prefix(1);
      continue;
    }
    text.remove_prefix(1);
    RQ_TRY(const std::size_t size, add_escape(out, text));
    text.remove_prefix(size);
  }
  return out;
}

}  // namespace requant::jinja
