#include "text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <vector>

#include "base/text.h"

namespace requant {
namespace {

std::uint32_t byte_at(std::string_view text, std::size_t i) {
  return static_cast<unsigned char>(text[i]);
}

bool continues(std::string_view text, std::size_t i) {
  return i < text.size() && (byte_at(text, i) & 0xC0) == 0x80;
}

std::size_t length_by(std::uint32_t lead) {
  if (lead < 0x80) return 1;
  if (lead < 0xE0) return 2;
  return lead < 0xF0 ? 3 : 4;
}

// Bytes of the longest beginning of a character at the front, at least 1.
std::size_t broken_length(std::string_view text) {
  const std::uint32_t lead = byte_at(text, 0);
  if (lead < 0xC2 || lead > 0xF4) return 1;
  // The second byte is bound where the first would make an overlong form, a surrogate or too much.
  std::uint32_t low = 0x80;
  std::uint32_t high = 0xBF;
  if (lead == 0xE0) low = 0xA0;
  if (lead == 0xED) high = 0x9F;
  if (lead == 0xF0) low = 0x90;
  if (lead == 0xF4) high = 0x8F;
  if (text.size() < 2 || byte_at(text, 1) < low || byte_at(text, 1) > high) return 1;
  std::size_t length = 2;
  while (length < length_by(lead) && continues(text, length)) ++length;
  return length;
}

std::string mapped(std::string_view text, int options) {
  const auto* bytes = static_cast<const utf8proc_uint8_t*>(static_cast<const void*>(text.data()));
  const auto size = static_cast<utf8proc_ssize_t>(text.size());
  const auto flags = static_cast<utf8proc_option_t>(options);
  utf8proc_ssize_t count = utf8proc_decompose(bytes, size, nullptr, 0, flags);
  if (count < 0) return std::string(text);  // no UTF-8
  std::vector<utf8proc_int32_t> points(static_cast<std::size_t>(count));
  utf8proc_decompose(bytes, size, points.data(), count, flags);
  count = utf8proc_normalize_utf32(points.data(), count, flags);
  std::string out;
  for (utf8proc_ssize_t i = 0; i < count; ++i) {
    append_utf8(out, static_cast<std::uint32_t>(points[static_cast<std::size_t>(i)]));
  }
  return out;
}

}  // namespace

CodePoint first_code_point(std::string_view text) {
  const std::uint32_t lead = byte_at(text, 0);
  const std::size_t size = length_by(lead);
  if (size == 1) return {lead, 1};
  std::uint32_t value = lead & (0x7FU >> size);
  for (std::size_t i = 1; i < size; ++i) value = (value << 6) | (byte_at(text, i) & 0x3F);
  return {value, size};
}

CodePoint last_code_point(std::string_view text) {
  std::size_t begin = text.size() - 1;
  while (continues(text, begin)) --begin;
  return first_code_point(text.substr(begin));
}

void append_utf8(std::string& text, std::uint32_t code_point) {
  utf8proc_uint8_t bytes[4];
  const auto size = utf8proc_encode_char(static_cast<utf8proc_int32_t>(code_point), bytes);
  for (utf8proc_ssize_t i = 0; i < size; ++i) text.push_back(static_cast<char>(bytes[i]));
}

bool is_white_space(std::uint32_t c) {
  return (c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

bool is_word(std::uint32_t c) {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
      return true;
    default:
      return c == 0x200C || c == 0x200D;
  }
}

std::string normalized(std::string_view text, NormalForm form) {
  const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
  if (std::ranges::all_of(text, is_ascii)) return std::string(text);
  const bool composed = form == NormalForm::kC || form == NormalForm::kKc;
  const bool compatible = form == NormalForm::kKc || form == NormalForm::kKd;
  return mapped(text, UTF8PROC_STABLE | (composed ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) |
                          (compatible ? UTF8PROC_COMPAT : 0));
}

std::string lower_case(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const CodePoint c = first_code_point(text);
    if (c.value == 0x130) {  // the one letter whose small form is two code points
      out += "i\u0307";
    } else {
      append_utf8(out, static_cast<std::uint32_t>(
                           utf8proc_tolower(static_cast<utf8proc_int32_t>(c.value))));
    }
    text.remove_prefix(c.size);
  }
  return out;
}

std::string replace_invalid(std::string_view bytes) {
  if (valid_utf8(bytes)) return std::string(bytes);
  std::string out;
  while (!bytes.empty()) {
    const std::size_t length = broken_length(bytes);
    const bool whole =
        length == length_by(byte_at(bytes, 0)) && valid_utf8(bytes.substr(0, length));
    if (whole) {
      out += bytes.substr(0, length);
    } else {
      out += "\uFFFD";
    }
    bytes.remove_prefix(length);
  }
  return out;
}

}  // namespace requant
