#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace requant {

// SentencePiece's map of characters: "precompiled_charsmap" of tokenizer.json.
//   u32      bytes of the trie, little-endian
//   u32[]    a trie as Darts has it: 8 bits label, 1 bit leaf below, 1 + 21 bits offset; or a leaf
//   char[]   what the leaves point to, each up to a NUL
class CharactersMap {
 public:
  // From its Base64. kCorrupt where the sizes do not fit.
  static Result<CharactersMap> parse(std::string_view base64);

  // Each cluster of characters (of less than 6 bytes), or else each character, as the map has it.
  // kCorrupt where the map leads to what is no UTF-8. REQUIRES: valid UTF-8.
  Result<std::string> apply(std::string_view text) const;

 private:
  // What the shortest beginning of `text` in the trie stands for.
  Result<std::optional<std::string_view>> find(std::string_view text) const;
  Result<void> add(std::string_view cluster, std::string& out) const;

  std::vector<std::uint32_t> trie_;
  std::string texts_;
};

}  // namespace requant
