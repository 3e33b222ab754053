#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace requant {

// One code point of valid UTF-8 and how many bytes it takes.
struct CodePoint {
  std::uint32_t value = 0;
  std::size_t size = 0;
};
// REQUIRES: `text` is not empty and valid UTF-8.
CodePoint first_code_point(std::string_view text);
CodePoint last_code_point(std::string_view text);

void append_utf8(std::string& text, std::uint32_t code_point);

// White_Space of Unicode.
bool is_white_space(std::uint32_t code_point);
// Letters, marks, decimal digits and connectors: what \w matches.
bool is_word(std::uint32_t code_point);

enum class NormalForm : std::uint8_t { kC, kD, kKc, kKd };
// REQUIRES: valid UTF-8.
std::string normalized(std::string_view text, NormalForm form);
std::string lower_case(std::string_view text);

// `bytes` with each sequence that is no UTF-8 as U+FFFD, the longest beginning of a character as
// one.
std::string replace_invalid(std::string_view bytes);

}  // namespace requant
