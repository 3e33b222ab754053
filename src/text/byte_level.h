#pragma once

#include <string>
#include <string_view>

namespace requant {

// GPT-2's alphabet: each byte as a character that is no space and no control. Bytes that are
// printable in Latin-1 stand for themselves, the others for U+0100 and on.
std::string to_byte_characters(std::string_view bytes);
// And back; the text as it is where a character is none of them.
std::string from_byte_characters(std::string_view characters);

}  // namespace requant
