#include "base/plain_json.h"

#include <bit>
#include <cstddef>
#include <cstring>

namespace requant {
namespace {

constexpr std::size_t kWord = sizeof(std::uint64_t);
constexpr std::uint64_t kOnes = 0x0101010101010101;
constexpr std::uint64_t kHighs = 0x8080808080808080;

// Marks (at least the first of) the bytes of `word` that are zero.
constexpr std::uint64_t zeros(std::uint64_t word) { return (word - kOnes) & ~word & kHighs; }

// Marks the first byte that is not printable ASCII, a quote or a backslash, if any.
constexpr std::uint64_t special(std::uint64_t word) {
  const std::uint64_t below_space = (word - kOnes * 0x20) & ~word & kHighs;
  return below_space | (word & kHighs) | zeros(word ^ kOnes * '"') | zeros(word ^ kOnes * '\\') |
         zeros(word ^ kOnes * 0x7F);
}

bool is_plain(char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; }

}  // namespace

bool PlainJson::string(std::string_view& text) {
  if (!take('"')) return false;
  const char* begin = at_;
  if constexpr (std::endian::native == std::endian::little) {
    for (; static_cast<std::size_t>(end_ - at_) >= kWord; at_ += kWord) {
      std::uint64_t word = 0;
      std::memcpy(&word, at_, kWord);
      if (const std::uint64_t found = special(word); found != 0) {
        at_ += std::countr_zero(found) / 8;
        break;
      }
    }
  }
  while (at_ != end_ && is_plain(*at_)) ++at_;
  if (at_ == end_ || *at_ != '"') return false;
  text = std::string_view(begin, static_cast<std::size_t>(at_ - begin));
  ++at_;
  return true;
}

bool PlainJson::number(std::uint64_t& value, std::string_view& spelling) {
  constexpr std::ptrdiff_t kMostDigits = 18;  // all of which fit
  skip_space();
  const char* begin = at_;
  value = 0;
  for (; at_ != end_ && *at_ >= '0' && *at_ <= '9'; ++at_) {
    if (at_ - begin == kMostDigits) return false;
    value = value * 10 + static_cast<std::uint64_t>(*at_ - '0');
  }
  spelling = std::string_view(begin, static_cast<std::size_t>(at_ - begin));
  return spelling.size() == 1 || (spelling.size() > 1 && spelling.front() != '0');
}

}  // namespace requant
