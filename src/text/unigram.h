#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.h"
#include "text/bpe.h"

namespace requant {

// What "model" of tokenizer.json holds where its type is Unigram.
struct UnigramFile {
  std::vector<std::pair<std::string, double>> vocab;  // by id, each with its score
  std::optional<TokenId> unknown;
  bool byte_fallback = false;
};

// A word is cut into the tokens whose scores have the largest sum; characters that no token has
// count as unknown, 10 below the lowest score.
class Unigram {
 public:
  // kCorrupt for an unknown token beyond the vocabulary.
  static Result<Unigram> make(UnigramFile file);

  // Appends the tokens of a word. REQUIRES: valid UTF-8.
  Result<void> encode(std::string_view word, std::vector<TokenId>& out) const;

  // nullptr where there is none.
  const TokenId* find(std::string_view token) const;
  const std::vector<std::pair<std::string, double>>& vocab() const { return file_.vocab; }

 private:
  // The best way to the end of a character.
  struct Node {
    double score = 0;
    std::size_t begin = 0;  // of its last token
    TokenId token = 0;
    bool reached = false;
  };

  // Tokens by their bytes: a node has its children by byte.
  struct Branch {
    std::vector<std::pair<char, std::uint32_t>> next;  // sorted
    std::optional<TokenId> token;
  };

  void plant(std::string_view token, TokenId id);
  const Branch* child(const Branch& branch, char byte) const;
  Result<std::vector<Node>> best_ways(std::string_view word) const;
  Result<void> add(std::string_view text, std::vector<TokenId>& out) const;

  UnigramFile file_;
  std::unordered_map<std::string_view, TokenId> ids_;  // views into file_.vocab
  std::vector<Branch> branches_;
  double unknown_score_ = 0;
};

}  // namespace requant
