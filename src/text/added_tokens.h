#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/bpe.h"

namespace requant {

// A token that is looked for in the text before it is cut into words.
struct AddedToken {
  TokenId id = 0;
  std::string content;
  bool single_word = false;  // not beside letters
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;       // and after it
  bool normalized = false;   // looked for in the normalised text
  bool special = false;      // left out where special tokens are
};

// Part of a text: an added token, or what lies between two.
struct TextPart {
  std::string_view text;
  const AddedToken* token = nullptr;  // nullptr: plain text
};

// Finds the leftmost of several tokens, the longest of those that begin there.
class TokenFinder {
 public:
  // `content` is what is looked for; the token outlives this.
  void add(std::string content, const AddedToken* token);

  // The whole text in turn, without empty parts of plain text. REQUIRES: valid UTF-8.
  std::vector<TextPart> split(std::string_view text) const;

 private:
  const std::pair<const std::string, const AddedToken*>* longest_at(std::string_view text) const;

  std::unordered_map<std::string, const AddedToken*> tokens_;
  std::array<std::vector<std::size_t>, 256> lengths_;  // by the first byte, longest first
};

}  // namespace requant
