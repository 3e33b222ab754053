#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.h"

namespace requant {

using TokenId = std::uint32_t;

// What "model" of tokenizer.json holds.
struct BpeFile {
  std::vector<std::pair<std::string, TokenId>> vocab;
  std::vector<std::pair<std::string, std::string>> merges;  // the first goes before the others
  std::string unknown;                                      // empty: none
  std::string prefix;                                       // of symbols that continue a word
  std::string suffix;                                       // of symbols that end one
  bool fuse_unknown = false;
  bool byte_fallback = false;
  bool ignore_merges = false;  // a word that is a token needs no merges
};

// Byte-pair encoding: a word begins as its characters, and the pair that comes first in the list of
// merges is joined until none is left.
class Bpe {
 public:
  // kCorrupt for merges of what the vocabulary lacks.
  static Result<Bpe> make(BpeFile file);

  // Appends the tokens of a word. REQUIRES: valid UTF-8.
  Result<void> encode(std::string_view word, std::vector<TokenId>& out) const;

  // nullptr where there is none.
  const TokenId* find(std::string_view token) const;
  const std::vector<std::pair<std::string, TokenId>>& vocab() const { return file_.vocab; }

 private:
  struct Merge {
    std::uint32_t rank = 0;
    TokenId joined = 0;
  };
  struct Symbol {
    TokenId token = 0;
    std::int32_t before = -1;
    std::int32_t after = -1;
    bool gone = false;  // joined to the one before
  };

  Result<std::vector<Symbol>> symbols_of(std::string_view word) const;
  bool add_bytes(std::string_view character, std::vector<Symbol>& symbols) const;
  const Merge* merge_of(TokenId left, TokenId right) const;
  void merge_all(std::vector<Symbol>& symbols) const;

  BpeFile file_;
  std::unordered_map<std::string_view, TokenId> ids_;  // views into file_.vocab
  std::unordered_map<std::uint64_t, Merge> merges_;
};

}  // namespace requant
