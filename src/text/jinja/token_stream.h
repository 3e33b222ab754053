#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/lexer.h"

namespace requant::jinja {

// Tokens one after another, the last of which is kEnd.
class TokenStream {
 public:
  explicit TokenStream(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  const Token& now() const { return tokens_[at_]; }
  const Token& after() const { return tokens_[at_ + 1 < tokens_.size() ? at_ + 1 : at_]; }
  int line() const { return now().line; }
  Token take();

  bool skip_name(std::string_view name);
  bool skip_operator(std::string_view sign);
  Result<void> expect(TokenKind kind);
  Result<void> expect_operator(std::string_view sign);
  Result<std::string> expect_name();

  Error fail(std::string_view message) const;
  // What was expected, and what is there.
  Error unexpected(std::string_view wanted) const;

 private:
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
};

}  // namespace requant::jinja
