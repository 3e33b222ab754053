#include "text/jinja/points.h"

#include <utf8proc.h>

#include <algorithm>

#include "text/jinja/special_case.h"
#include "text/unicode.h"

namespace requant::jinja {
namespace {

utf8proc_category_t category(std::uint32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

bool is_upper(std::uint32_t c) { return category(c) == UTF8PROC_CATEGORY_LU; }
bool is_lower(std::uint32_t c) {
  return category(c) == UTF8PROC_CATEGORY_LL || c == 0xAA || c == 0xBA;
}
bool is_title(std::uint32_t c) { return category(c) == UTF8PROC_CATEGORY_LT; }
bool is_cased(std::uint32_t c) { return is_upper(c) || is_lower(c) || is_title(c); }

bool is_alpha(std::uint32_t c) {
  const auto kind = category(c);
  return kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_LO;
}
bool is_decimal(std::uint32_t c) { return category(c) == UTF8PROC_CATEGORY_ND; }
bool is_digit(std::uint32_t c) {
  return is_decimal(c) || c == 0xB2 || c == 0xB3 || c == 0xB9 || c == 0x2070 ||
         (c >= 0x2074 && c <= 0x2079) || (c >= 0x2080 && c <= 0x2089) ||
         (c >= 0x2460 && c <= 0x2468);
}
bool is_numeric(std::uint32_t c) {
  const auto kind = category(c);
  return kind == UTF8PROC_CATEGORY_ND || kind == UTF8PROC_CATEGORY_NL ||
         kind == UTF8PROC_CATEGORY_NO;
}

const SpecialCase* special_case(std::uint32_t c) {
  const auto* const found =
      std::ranges::lower_bound(kSpecialCases, c, {}, &SpecialCase::code_point);
  return found != std::end(kSpecialCases) && found->code_point == c ? found : nullptr;
}

void append_upper(std::string& out, std::uint32_t c) {
  if (const SpecialCase* special = special_case(c)) {
    out += special->upper;
  } else {
    append_utf8(out,
                static_cast<std::uint32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c))));
  }
}

void append_title(std::string& out, std::uint32_t c) {
  if (const SpecialCase* special = special_case(c)) {
    out += special->title;
  } else {
    append_utf8(out,
                static_cast<std::uint32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(c))));
  }
}

// The code points one after another: take(code point, its bytes).
template <class Take>
void each_point(std::string_view text, const Take& take) {
  while (!text.empty()) {
    const CodePoint point = first_code_point(text);
    take(point.value, text.substr(0, point.size));
    text.remove_prefix(point.size);
  }
}

bool ends_line(std::uint32_t c) {
  return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 ||
         c == 0x2029;
}

template <class Drop>
std::string_view stripped_of(std::string_view text, Sides sides, const Drop& drop) {
  while (sides != Sides::kRight && !text.empty() && drop(first_code_point(text))) {
    text.remove_prefix(first_code_point(text).size);
  }
  while (sides != Sides::kLeft && !text.empty() && drop(last_code_point(text))) {
    text.remove_suffix(last_code_point(text).size);
  }
  return text;
}

}  // namespace

std::size_t point_size(std::string_view text) { return first_code_point(text).size; }

std::size_t count_points(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::size_t offset_of(std::string_view text, std::size_t point) {
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    if ((static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) continue;
    if (point-- == 0) return at;
  }
  return at;
}

bool is_space(std::uint32_t c) { return is_white_space(c) || (c >= 0x1C && c <= 0x1F); }

std::string_view stripped(std::string_view text, Sides sides) {
  return stripped_of(text, sides, [](const CodePoint& point) { return is_space(point.value); });
}

std::string_view stripped(std::string_view text, std::string_view characters, Sides sides) {
  return stripped_of(text, sides, [&](const CodePoint& point) {
    bool found = false;
    each_point(characters, [&](std::uint32_t c, std::string_view) { found |= c == point.value; });
    return found;
  });
}

std::vector<std::string_view> lines_of(std::string_view text, bool keep) {
  std::vector<std::string_view> lines;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint point = first_code_point(text.substr(at));
    std::size_t end = at + point.size;
    if (ends_line(point.value)) {
      if (point.value == '\r' && end < text.size() && text[end] == '\n') ++end;
      lines.push_back(text.substr(begin, (keep ? end : at) - begin));
      begin = end;
    }
    at = end;
  }
  if (begin < text.size()) lines.push_back(text.substr(begin));
  return lines;
}

std::vector<std::string_view> words_of(std::string_view text, std::int64_t most, bool from_right) {
  const Sides near = from_right ? Sides::kRight : Sides::kLeft;
  std::vector<std::string_view> words;
  for (text = stripped(text, near); !text.empty(); text = stripped(text, near)) {
    if (most >= 0 && static_cast<std::int64_t>(words.size()) == most) {
      words.push_back(text);  // with the spaces at its far end, as Python has it
      break;
    }
    std::string_view rest = text;
    while (!rest.empty()) {
      const CodePoint point = from_right ? last_code_point(rest) : first_code_point(rest);
      if (is_space(point.value)) break;
      if (from_right) {
        rest.remove_suffix(point.size);
      } else {
        rest.remove_prefix(point.size);
      }
    }
    words.push_back(from_right ? text.substr(rest.size())
                               : text.substr(0, text.size() - rest.size()));
    text = rest;
  }
  if (from_right) std::ranges::reverse(words);
  return words;
}

std::vector<std::string_view> cut(std::string_view text, std::string_view separator,
                                  std::int64_t most, bool from_right) {
  std::vector<std::string_view> parts;
  while (most < 0 || static_cast<std::int64_t>(parts.size()) < most) {
    const std::size_t at = from_right ? text.rfind(separator) : text.find(separator);
    if (at == std::string_view::npos) break;
    const std::size_t after = at + separator.size();
    parts.push_back(from_right ? text.substr(after) : text.substr(0, at));
    text = from_right ? text.substr(0, at) : text.substr(after);
  }
  parts.push_back(text);
  if (from_right) std::ranges::reverse(parts);
  return parts;
}

std::string upper_case(std::string_view text) {
  std::string out;
  each_point(text, [&](std::uint32_t c, std::string_view) { append_upper(out, c); });
  return out;
}

std::string title_case(std::string_view text) {
  std::string out;
  bool inside = false;
  each_point(text, [&](std::uint32_t c, std::string_view bytes) {
    if (inside) {
      out += lower_case(bytes);
    } else {
      append_title(out, c);
    }
    inside = is_cased(c);
  });
  return out;
}

std::string capitalized(std::string_view text) {
  if (text.empty()) return {};
  std::string out;
  const CodePoint first = first_code_point(text);
  append_title(out, first.value);
  return out + lower_case(text.substr(first.size));
}

std::string swapped_case(std::string_view text) {
  std::string out;
  each_point(text, [&](std::uint32_t c, std::string_view bytes) {
    if (is_upper(c)) {
      out += lower_case(bytes);
    } else {
      append_upper(out, c);
    }
  });
  return out;
}

bool is_printable(std::uint32_t c) {
  switch (category(c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return false;
    case UTF8PROC_CATEGORY_ZS:
      return c == ' ';
    default:
      return true;
  }
}

bool is_identifier(std::string_view text) {
  if (text.empty() || (text[0] >= '0' && text[0] <= '9')) return false;
  bool good = true;
  each_point(text, [&](std::uint32_t c, std::string_view) { good &= c == '_' || is_word(c); });
  return good;
}

namespace {

bool fits(std::uint32_t c, Quality quality) {
  switch (quality) {
    case Quality::kAlnum:
      return is_alpha(c) || is_digit(c) || is_numeric(c);
    case Quality::kAlpha:
      return is_alpha(c);
    case Quality::kAscii:
      return c < 0x80;
    case Quality::kDecimal:
      return is_decimal(c);
    case Quality::kDigit:
      return is_digit(c);
    case Quality::kNumeric:
      return is_numeric(c);
    case Quality::kPrintable:
      return is_printable(c);
    case Quality::kSpace:
      return is_space(c);
    case Quality::kLower:
      return !is_upper(c) && !is_title(c);
    case Quality::kUpper:
      return !is_lower(c) && !is_title(c);
    default:
      return true;
  }
}

bool is_titled(std::string_view text) {
  bool good = true;
  bool inside = false;
  each_point(text, [&](std::uint32_t c, std::string_view) {
    const bool begins = is_upper(c) || is_title(c);
    if (begins ? inside : is_lower(c) && !inside) good = false;
    inside = is_cased(c);
  });
  return good;
}

}  // namespace

bool has_quality(std::string_view text, Quality quality) {
  bool all = true;
  bool cased = false;
  each_point(text, [&](std::uint32_t c, std::string_view) {
    all &= fits(c, quality);
    cased |= is_cased(c);
  });
  if (quality == Quality::kTitle) return cased && is_titled(text);
  if (quality == Quality::kLower || quality == Quality::kUpper) return all && cased;
  if (quality == Quality::kAscii || quality == Quality::kPrintable) return all;
  return all && !text.empty();
}

}  // namespace requant::jinja
