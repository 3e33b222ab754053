#include "text/jinja/token_stream.h"

#include <fmt/format.h>

#include "base/text.h"

namespace requant::jinja {
namespace {

std::string_view name_of(TokenKind kind) {
  switch (kind) {
    case TokenKind::kData:
      return "text";
    case TokenKind::kBlockBegin:
      return "'{%'";
    case TokenKind::kBlockEnd:
      return "'%}'";
    case TokenKind::kVariableBegin:
      return "'{{'";
    case TokenKind::kVariableEnd:
      return "'}}'";
    case TokenKind::kName:
      return "a name";
    case TokenKind::kString:
      return "a text";
    case TokenKind::kInteger:
    case TokenKind::kFloat:
      return "a number";
    case TokenKind::kOperator:
      return "a sign";
    case TokenKind::kEnd:
      return "the end of the template";
  }
  return "";
}

std::string told(const Token& token) {
  if (token.is(TokenKind::kName) || token.is(TokenKind::kOperator)) return in_quotes(token.text);
  return std::string(name_of(token.kind));
}

}  // namespace

Token TokenStream::take() {
  Token token = tokens_[at_];
  if (at_ + 1 < tokens_.size()) ++at_;
  return token;
}

bool TokenStream::skip_name(std::string_view name) {
  if (!now().is_name(name)) return false;
  take();
  return true;
}

bool TokenStream::skip_operator(std::string_view sign) {
  if (!now().is_operator(sign)) return false;
  take();
  return true;
}

Result<void> TokenStream::expect(TokenKind kind) {
  if (!now().is(kind)) return unexpected(name_of(kind));
  take();
  return {};
}

Result<void> TokenStream::expect_operator(std::string_view sign) {
  if (!skip_operator(sign)) return unexpected(in_quotes(sign));
  return {};
}

Result<std::string> TokenStream::expect_name() {
  if (!now().is(TokenKind::kName)) return unexpected("a name");
  return take().text;
}

Error TokenStream::fail(std::string_view message) const {
  return corrupt(fmt::format("line {}: {}", line(), message));
}

Error TokenStream::unexpected(std::string_view wanted) const {
  return fail(fmt::format("expected {}, found {}", wanted, told(now())));
}

}  // namespace requant::jinja
