#include "text/characters_map.h"

#include <utf8proc.h>

#include "base/text.h"
#include "text/unicode.h"

namespace requant {
namespace {

constexpr std::size_t kLongestCluster = 6;

Result<std::string> from_base64(std::string_view text) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  while (text.ends_with('=')) text.remove_suffix(1);
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const std::size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) return corrupt("precompiled_charsmap is no Base64");
    bits = (bits << 6) | static_cast<std::uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out.push_back(static_cast<char>((bits >> count) & 0xFF));
  }
  return out;
}

std::uint32_t number_at(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    value |= std::uint32_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
  }
  return value;
}

std::uint32_t offset_of(std::uint32_t unit) { return (unit >> 10) << ((unit & 0x200) >> 6); }
bool has_leaf(std::uint32_t unit) { return ((unit >> 8) & 1) != 0; }

}  // namespace

Result<CharactersMap> CharactersMap::parse(std::string_view base64) {
  RQ_TRY(const std::string bytes, from_base64(base64));
  if (bytes.size() < 4) return corrupt("precompiled_charsmap of less than 4 bytes");
  const std::uint32_t size = number_at(bytes, 0);
  if (size % 4 != 0 || size == 0 || size > bytes.size() - 4) {
    return corrupt("precompiled_charsmap is smaller than its trie");
  }
  CharactersMap map;
  for (std::size_t at = 4; at < std::size_t{4} + size; at += 4) {
    map.trie_.push_back(number_at(bytes, at));
  }
  map.texts_ = bytes.substr(std::size_t{4} + size);
  return map;
}

Result<std::optional<std::string_view>> CharactersMap::find(std::string_view text) const {
  using Found = std::optional<std::string_view>;
  std::uint32_t at = offset_of(trie_[0]);
  for (const char c : text) {
    const std::uint32_t byte = static_cast<unsigned char>(c);
    if (byte == 0) break;
    at ^= byte;
    if (at >= trie_.size() || (trie_[at] & 0x800000FF) != byte) return Found();
    const std::uint32_t unit = trie_[at];
    at ^= offset_of(unit);
    if (!has_leaf(unit)) continue;
    const std::uint32_t begin = at < trie_.size() ? trie_[at] & 0x7FFFFFFF : UINT32_MAX;
    if (begin > texts_.size()) return corrupt("precompiled_charsmap leads beyond its texts");
    const std::string_view rest = std::string_view(texts_).substr(begin);
    const std::string_view found = rest.substr(0, rest.find('\0'));
    if (!valid_utf8(found)) return corrupt("precompiled_charsmap leads to what is no UTF-8");
    return Found(found);
  }
  return Found();
}

Result<void> CharactersMap::add(std::string_view cluster, std::string& out) const {
  if (cluster.size() < kLongestCluster) {
    RQ_TRY(const auto found, find(cluster));
    if (found) {
      out += *found;
      return {};
    }
  }
  while (!cluster.empty()) {
    const std::string_view character = cluster.substr(0, first_code_point(cluster).size);
    RQ_TRY(const auto found, find(character));
    out += found.value_or(character);
    cluster.remove_prefix(character.size());
  }
  return {};
}

Result<std::string> CharactersMap::apply(std::string_view text) const {
  std::string out;
  std::size_t begin = 0;
  utf8proc_int32_t state = 0;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint point = first_code_point(text.substr(at));
    const std::size_t next = at + point.size;
    const bool ends =
        next == text.size() ||
        utf8proc_grapheme_break_stateful(
            static_cast<utf8proc_int32_t>(point.value),
            static_cast<utf8proc_int32_t>(first_code_point(text.substr(next)).value), &state);
    if (ends) {
      RQ_CHECK(add(text.substr(begin, next - begin), out));
      begin = next;
    }
    at = next;
  }
  return out;
}

}  // namespace requant
