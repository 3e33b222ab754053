#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/folder.h"
#include "base/result.h"
#include "text/bpe.h"

namespace requant {

enum class SpecialTokens : std::uint8_t { kLeave, kAdd };

// A text as tokens and back, as the package `tokenizers` does it for the same tokenizer.json.
// Truncation and padding that the file asks for are not done. Safe to use from several threads.
class Tokenizer {
 public:
  // The text of a tokenizer.json.
  static Result<Tokenizer> parse(std::string_view json);
  // tokenizer.json of a folder. kNotFound where there is none.
  static Result<Tokenizer> open(const Folder& folder);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // kCorrupt where `text` is no UTF-8. With kAdd, the tokens that the file puts around a text are
  // there.
  Result<std::vector<TokenId>> encode(std::string_view text, SpecialTokens special) const;
  // Ids that no token has are left out; with kLeave, special tokens are, too.
  Result<std::string> decode(std::span<const TokenId> ids, SpecialTokens special) const;

  std::optional<TokenId> find(std::string_view token) const;
  // The token of an id as the file has it; empty where there is none.
  std::string_view token(TokenId id) const;
  // One more than the largest id.
  std::size_t size() const;

 private:
  struct State;
  explicit Tokenizer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace requant
