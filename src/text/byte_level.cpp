#include "text/byte_level.h"

#include <array>
#include <cstdint>

#include "text/unicode.h"

namespace requant {
namespace {

constexpr std::uint32_t kFirstOther = 0x100;
constexpr std::size_t kOthers = 68;

constexpr bool stands_for_itself(std::uint32_t byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD && byte <= 0xFF);
}

constexpr std::array<std::uint16_t, 256> characters() {
  std::array<std::uint16_t, 256> table{};
  std::uint32_t other = kFirstOther;
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    table[byte] = static_cast<std::uint16_t>(stands_for_itself(byte) ? byte : other++);
  }
  return table;
}

constexpr std::array<std::uint8_t, kOthers> other_bytes() {
  std::array<std::uint8_t, kOthers> table{};
  std::size_t other = 0;
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    if (!stands_for_itself(byte)) table[other++] = static_cast<std::uint8_t>(byte);
  }
  return table;
}

constexpr auto kCharacters = characters();
constexpr auto kOtherBytes = other_bytes();

}  // namespace

std::string to_byte_characters(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() + bytes.size() / 4);
  for (const char c : bytes) {
    const std::uint32_t character = kCharacters[static_cast<unsigned char>(c)];
    if (character < 0x80) {
      out.push_back(static_cast<char>(character));
    } else {
      append_utf8(out, character);
    }
  }
  return out;
}

std::string from_byte_characters(std::string_view characters) {
  std::string out;
  for (std::string_view rest = characters; !rest.empty();) {
    const CodePoint c = first_code_point(rest);
    rest.remove_prefix(c.size);
    if (c.value < 256 && stands_for_itself(c.value)) {
      out.push_back(static_cast<char>(c.value));
    } else if (c.value >= kFirstOther && c.value < kFirstOther + kOthers) {
      out.push_back(static_cast<char>(kOtherBytes[c.value - kFirstOther]));
    } else {
      return std::string(characters);
    }
  }
  return out;
}

}  // namespace requant
