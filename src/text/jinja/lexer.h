#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace requant::jinja {

enum class TokenKind : std::uint8_t {
  kData,  // text between tags
  kBlockBegin,
  kBlockEnd,
  kVariableBegin,
  kVariableEnd,
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,
  kEnd,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string text;  // of a string: what it stands for
  int line = 1;

  bool is(TokenKind wanted) const { return kind == wanted; }
  bool is_name(std::string_view name) const { return kind == TokenKind::kName && text == name; }
  bool is_operator(std::string_view sign) const {
    return kind == TokenKind::kOperator && text == sign;
  }
};

// The tokens of a template, as Jinja with trim_blocks and lstrip_blocks has them; the last is kEnd.
// Errors begin with the line. REQUIRES: valid UTF-8.
Result<std::vector<Token>> tokens_of(std::string_view source);

}  // namespace requant::jinja
