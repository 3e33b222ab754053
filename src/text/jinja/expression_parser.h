#pragma once

#include "text/jinja/node.h"
#include "text/jinja/token_stream.h"

namespace requant::jinja {

// How deep an expression or a nest of statements may be.
inline constexpr int kDeepestTree = 100;

// The expressions of Jinja, by recursive descent.
class ExpressionParser {
 public:
  explicit ExpressionParser(TokenStream& tokens) : tokens_(tokens) {}

  // With `choice`: `a if b else c` counts as one.
  Result<ExpressionPtr> expression(bool choice = true);
  // An expression, or several with commas between them. `end` also ends them, as a name.
  Result<ExpressionPtr> tuple(bool choice, std::string_view end = {}, bool parentheses = false);
  // |filter|filter ... over `inner`, which may be missing; the first without its bar where `bare`.
  Result<ExpressionPtr> filters(ExpressionPtr inner, bool bare);

  // What was met since it was last set.
  Mentions mentions;

 private:
  using Rule = Result<ExpressionPtr> (ExpressionParser::*)();

  Result<ExpressionPtr> choice();
  Result<ExpressionPtr> disjunction();
  Result<ExpressionPtr> conjunction();
  Result<ExpressionPtr> negation();
  Result<ExpressionPtr> comparison();
  Result<ExpressionPtr> sum();
  Result<ExpressionPtr> concatenation();
  Result<ExpressionPtr> product();
  Result<ExpressionPtr> power();
  Result<ExpressionPtr> unary();
  Result<ExpressionPtr> signed_primary(bool with_filters);
  Result<ExpressionPtr> primary();
  Result<ExpressionPtr> number();
  Result<ExpressionPtr> list();
  Result<ExpressionPtr> dict();
  Result<ExpressionPtr> postfix(ExpressionPtr inner);
  Result<ExpressionPtr> suffixes(ExpressionPtr inner);
  Result<ExpressionPtr> attribute(ExpressionPtr inner);
  Result<ExpressionPtr> subscript(ExpressionPtr inner);
  Result<ExpressionPtr> slice(ExpressionPtr inner, ExpressionPtr begin);
  Result<ExpressionPtr> test(ExpressionPtr inner);
  Result<void> arguments(Expression& call);
  Result<void> argument(Expression& call);
  // `left` and what a rule gives after each of the signs, from the left.
  Result<ExpressionPtr> chain(Rule rule, std::initializer_list<std::string_view> signs);

  ExpressionPtr make(ExpressionKind kind, int line) const;
  // Puts a part in; kRefused where the tree gets too deep.
  Result<void> put(Expression& into, ExpressionPtr part) const;
  Result<void> deeper(Expression& into, const Expression& part) const;

  TokenStream& tokens_;
  int depth_ = 0;
};

}  // namespace requant::jinja
