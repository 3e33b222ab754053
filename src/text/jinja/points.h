#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// Texts as Python sees them: as code points. All REQUIRE valid UTF-8.
namespace requant::jinja {

// Bytes of the code point at the front. REQUIRES: `text` is not empty.
std::size_t point_size(std::string_view text);
std::size_t count_points(std::string_view text);
// Where the code point of that number begins; the size of the text where there is none.
std::size_t offset_of(std::string_view text, std::size_t point);

// str.isspace() of one code point.
bool is_space(std::uint32_t code_point);

enum class Sides : std::uint8_t { kBoth, kLeft, kRight };
// White space, or the code points of `characters`, taken off.
std::string_view stripped(std::string_view text, Sides sides);
std::string_view stripped(std::string_view text, std::string_view characters, Sides sides);

// str.splitlines(); with their ends where `keep` is set.
std::vector<std::string_view> lines_of(std::string_view text, bool keep = false);
// str.split() without a separator, `most` cuts at most (-1: all), from the left or the right.
std::vector<std::string_view> words_of(std::string_view text, std::int64_t most, bool from_right);
std::vector<std::string_view> cut(std::string_view text, std::string_view separator,
                                  std::int64_t most, bool from_right);

std::string upper_case(std::string_view text);
// str.title(), str.capitalize(), str.swapcase().
std::string title_case(std::string_view text);
std::string capitalized(std::string_view text);
std::string swapped_case(std::string_view text);

enum class Quality : std::uint8_t {
  kAlnum,
  kAlpha,
  kAscii,
  kDecimal,
  kDigit,
  kLower,
  kNumeric,
  kPrintable,
  kSpace,
  kTitle,
  kUpper
};
// str.isalnum() and the like.
bool has_quality(std::string_view text, Quality quality);
bool is_printable(std::uint32_t code_point);
bool is_identifier(std::string_view text);

}  // namespace requant::jinja
