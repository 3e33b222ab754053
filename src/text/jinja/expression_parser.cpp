#include "text/jinja/expression_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace requant::jinja {
namespace {

using Node = ExpressionKind;

class Deeper {
 public:
  explicit Deeper(int& depth) : depth_(++depth) {}
  ~Deeper() { --depth_; }
  Deeper(const Deeper&) = delete;
  Deeper& operator=(const Deeper&) = delete;

 private:
  int& depth_;
};

bool ends_tuple(const Token& token, std::string_view end) {
  return token.is(TokenKind::kVariableEnd) || token.is(TokenKind::kBlockEnd) ||
         token.is_operator(")") || (!end.empty() && token.is_name(end));
}

}  // namespace

ExpressionPtr ExpressionParser::make(ExpressionKind kind, int line) const {
  auto result = std::make_unique<Expression>();
  result->kind = kind;
  result->line = line;
  return result;
}

Result<void> ExpressionParser::deeper(Expression& into, const Expression& part) const {
  into.depth = std::max(into.depth, part.depth + 1);
  if (into.depth > kDeepestTree) {
    return refused(fmt::format("line {}: an expression over {} deep", into.line, kDeepestTree));
  }
  return {};
}

Result<void> ExpressionParser::put(Expression& into, ExpressionPtr part) const {
  if (part != nullptr) RQ_CHECK(deeper(into, *part));
  into.parts.push_back(std::move(part));
  return {};
}

Result<ExpressionPtr> ExpressionParser::expression(bool with_choice) {
  const Deeper level(depth_);
  if (depth_ > kDeepestTree) {
    return refused(
        fmt::format("line {}: an expression over {} deep", tokens_.line(), kDeepestTree));
  }
  return with_choice ? choice() : disjunction();
}

Result<ExpressionPtr> ExpressionParser::tuple(bool with_choice, std::string_view end,
                                              bool parentheses) {
  ExpressionPtr result = make(Node::kTuple, tokens_.line());
  bool several = false;
  while (!ends_tuple(tokens_.now(), end)) {
    RQ_TRY(ExpressionPtr part, expression(with_choice));
    RQ_CHECK(put(*result, std::move(part)));
    if (!tokens_.skip_operator(",")) break;
    several = true;
  }
  if (several) return result;
  if (!result->parts.empty()) return std::move(result->parts[0]);
  if (!parentheses) return tokens_.unexpected("an expression");
  return result;
}

Result<ExpressionPtr> ExpressionParser::choice() {
  RQ_TRY(ExpressionPtr result, disjunction());
  while (tokens_.now().is_name("if")) {
    ExpressionPtr node = make(Node::kChoice, tokens_.take().line);
    RQ_TRY(ExpressionPtr test, disjunction());
    RQ_CHECK(put(*node, std::move(test)));
    RQ_CHECK(put(*node, std::move(result)));
    ExpressionPtr otherwise;
    if (tokens_.skip_name("else")) {
      RQ_TRY(otherwise, expression());
    }
    RQ_CHECK(put(*node, std::move(otherwise)));
    result = std::move(node);
  }
  return result;
}

Result<ExpressionPtr> ExpressionParser::disjunction() {
  RQ_TRY(ExpressionPtr left, conjunction());
  while (tokens_.now().is_name("or")) {
    ExpressionPtr node = make(Node::kOr, tokens_.take().line);
    RQ_CHECK(put(*node, std::move(left)));
    RQ_TRY(ExpressionPtr right, conjunction());
    RQ_CHECK(put(*node, std::move(right)));
    left = std::move(node);
  }
  return left;
}

Result<ExpressionPtr> ExpressionParser::conjunction() {
  RQ_TRY(ExpressionPtr left, negation());
  while (tokens_.now().is_name("and")) {
    ExpressionPtr node = make(Node::kAnd, tokens_.take().line);
    RQ_CHECK(put(*node, std::move(left)));
    RQ_TRY(ExpressionPtr right, negation());
    RQ_CHECK(put(*node, std::move(right)));
    left = std::move(node);
  }
  return left;
}

Result<ExpressionPtr> ExpressionParser::negation() {
  if (!tokens_.now().is_name("not")) return comparison();
  const Deeper level(depth_);
  if (depth_ > kDeepestTree) return tokens_.fail("too many 'not'");
  ExpressionPtr node = make(Node::kNot, tokens_.take().line);
  RQ_TRY(ExpressionPtr part, negation());
  RQ_CHECK(put(*node, std::move(part)));
  return node;
}

Result<ExpressionPtr> ExpressionParser::comparison() {
  constexpr std::array<std::string_view, 6> kSigns = {"==", "!=", "<", "<=", ">", ">="};
  RQ_TRY(ExpressionPtr first, sum());
  ExpressionPtr node;
  while (true) {
    std::string sign;
    if (tokens_.now().is(TokenKind::kOperator) &&
        std::ranges::find(kSigns, tokens_.now().text) != kSigns.end()) {
      sign = tokens_.now().text;
    } else if (tokens_.now().is_name("in")) {
      sign = "in";
    } else if (tokens_.now().is_name("not") && tokens_.after().is_name("in")) {
      tokens_.take();
      sign = "not in";
    } else {
      break;
    }
    const int line = tokens_.take().line;
    if (node == nullptr) {
      node = make(Node::kCompare, line);
      RQ_CHECK(put(*node, std::move(first)));
    }
    RQ_TRY(ExpressionPtr right, sum());
    RQ_CHECK(put(*node, std::move(right)));
    node->signs.push_back(std::move(sign));
  }
  return node == nullptr ? std::move(first) : std::move(node);
}

Result<ExpressionPtr> ExpressionParser::chain(Rule rule,
                                              std::initializer_list<std::string_view> signs) {
  RQ_TRY(ExpressionPtr left, (this->*rule)());
  while (tokens_.now().is(TokenKind::kOperator) &&
         std::ranges::find(signs, tokens_.now().text) != signs.end()) {
    Token sign = tokens_.take();
    ExpressionPtr node = make(Node::kArithmetic, sign.line);
    node->name = std::move(sign.text);
    RQ_CHECK(put(*node, std::move(left)));
    RQ_TRY(ExpressionPtr right, (this->*rule)());
    RQ_CHECK(put(*node, std::move(right)));
    left = std::move(node);
  }
  return left;
}

Result<ExpressionPtr> ExpressionParser::sum() {
  return chain(&ExpressionParser::concatenation, {"+", "-"});
}

Result<ExpressionPtr> ExpressionParser::concatenation() {
  RQ_TRY(ExpressionPtr first, product());
  if (!tokens_.now().is_operator("~")) return first;
  ExpressionPtr node = make(Node::kConcat, tokens_.line());
  RQ_CHECK(put(*node, std::move(first)));
  while (tokens_.skip_operator("~")) {
    RQ_TRY(ExpressionPtr part, product());
    RQ_CHECK(put(*node, std::move(part)));
  }
  return node;
}

Result<ExpressionPtr> ExpressionParser::product() {
  return chain(&ExpressionParser::power, {"*", "/", "//", "%"});
}

Result<ExpressionPtr> ExpressionParser::power() { return chain(&ExpressionParser::unary, {"**"}); }

Result<ExpressionPtr> ExpressionParser::unary() { return signed_primary(true); }

Result<ExpressionPtr> ExpressionParser::signed_primary(bool with_filters) {
  const bool minus = tokens_.now().is_operator("-");
  ExpressionPtr node;
  if (minus || tokens_.now().is_operator("+")) {
    const Deeper level(depth_);
    if (depth_ > kDeepestTree) return tokens_.fail("too many signs");
    node = make(minus ? Node::kNegative : Node::kPositive, tokens_.take().line);
    RQ_TRY(ExpressionPtr part, signed_primary(false));
    RQ_CHECK(put(*node, std::move(part)));
  } else {
    RQ_TRY(node, primary());
  }
  RQ_TRY(node, postfix(std::move(node)));
  return with_filters ? suffixes(std::move(node)) : Result<ExpressionPtr>(std::move(node));
}

Result<ExpressionPtr> ExpressionParser::primary() {
  const Token& now = tokens_.now();
  if (now.is_operator("(")) {
    tokens_.take();
    RQ_TRY(ExpressionPtr inner, tuple(true, {}, true));
    RQ_CHECK(tokens_.expect_operator(")"));
    return inner;
  }
  if (now.is_operator("[")) return list();
  if (now.is_operator("{")) return dict();
  ExpressionPtr node = make(Node::kConstant, now.line);
  if (now.is(TokenKind::kInteger) || now.is(TokenKind::kFloat)) return number();
  if (now.is(TokenKind::kString)) {
    std::string text;
    while (tokens_.now().is(TokenKind::kString)) text += tokens_.take().text;
    node->value = Value::constant(std::move(text));
    return node;
  }
  if (!now.is(TokenKind::kName)) return tokens_.unexpected("an expression");
  const std::string name = tokens_.take().text;
  if (name == "true" || name == "True" || name == "false" || name == "False") {
    node->value = Value::boolean(name == "true" || name == "True");
  } else if (name == "none" || name == "None") {
    node->value = Value::none();
  } else {
    node->kind = Node::kName;
    node->name = name;
    mentions.add({name == "varargs", name == "kwargs", name == "caller"});
  }
  return node;
}

Result<ExpressionPtr> ExpressionParser::number() {
  ExpressionPtr node = make(Node::kConstant, tokens_.line());
  const Error beyond = tokens_.fail("a number that 64 bits do not hold");
  const Token token = tokens_.take();
  const char* begin = token.text.data();
  const char* end = begin + token.text.size();
  if (token.is(TokenKind::kInteger)) {
    std::int64_t value = 0;
    const auto read = std::from_chars(begin, end, value);
    if (read.ec != std::errc()) return beyond;
    node->value = Value::integer(value);
  } else {
    double value = 0;
    const auto read = std::from_chars(begin, end, value);
    if (read.ec != std::errc()) return beyond;
    node->value = Value::real(value);
  }
  return node;
}

Result<ExpressionPtr> ExpressionParser::list() {
  ExpressionPtr node = make(Node::kList, tokens_.take().line);
  while (!tokens_.now().is_operator("]")) {
    if (!node->parts.empty()) RQ_CHECK(tokens_.expect_operator(","));
    if (tokens_.now().is_operator("]")) break;
    RQ_TRY(ExpressionPtr item, expression());
    RQ_CHECK(put(*node, std::move(item)));
  }
  tokens_.take();
  return node;
}

Result<ExpressionPtr> ExpressionParser::dict() {
  ExpressionPtr node = make(Node::kDict, tokens_.take().line);
  while (!tokens_.now().is_operator("}")) {
    if (!node->parts.empty()) RQ_CHECK(tokens_.expect_operator(","));
    if (tokens_.now().is_operator("}")) break;
    RQ_TRY(ExpressionPtr key, expression());
    RQ_CHECK(put(*node, std::move(key)));
    RQ_CHECK(tokens_.expect_operator(":"));
    RQ_TRY(ExpressionPtr value, expression());
    RQ_CHECK(put(*node, std::move(value)));
  }
  tokens_.take();
  return node;
}

Result<ExpressionPtr> ExpressionParser::postfix(ExpressionPtr inner) {
  while (true) {
    if (tokens_.now().is_operator(".")) {
      RQ_TRY(inner, attribute(std::move(inner)));
    } else if (tokens_.now().is_operator("[")) {
      RQ_TRY(inner, subscript(std::move(inner)));
    } else if (tokens_.now().is_operator("(")) {
      ExpressionPtr node = make(Node::kCall, tokens_.line());
      RQ_CHECK(put(*node, std::move(inner)));
      RQ_CHECK(arguments(*node));
      inner = std::move(node);
    } else {
      return inner;
    }
  }
}

Result<ExpressionPtr> ExpressionParser::suffixes(ExpressionPtr inner) {
  while (true) {
    if (tokens_.now().is_operator("|")) {
      RQ_TRY(inner, filters(std::move(inner), false));
    } else if (tokens_.now().is_name("is")) {
      RQ_TRY(inner, test(std::move(inner)));
    } else if (tokens_.now().is_operator("(")) {
      ExpressionPtr node = make(Node::kCall, tokens_.line());
      RQ_CHECK(put(*node, std::move(inner)));
      RQ_CHECK(arguments(*node));
      inner = std::move(node);
    } else {
      return inner;
    }
  }
}

Result<ExpressionPtr> ExpressionParser::attribute(ExpressionPtr inner) {
  ExpressionPtr node = make(Node::kAttribute, tokens_.take().line);
  RQ_CHECK(put(*node, std::move(inner)));
  if (tokens_.now().is(TokenKind::kName)) {
    node->name = tokens_.take().text;
    return node;
  }
  if (!tokens_.now().is(TokenKind::kInteger)) return tokens_.unexpected("a name or a number");
  node->kind = Node::kItem;
  RQ_TRY(ExpressionPtr index, number());
  RQ_CHECK(put(*node, std::move(index)));
  return node;
}

Result<ExpressionPtr> ExpressionParser::subscript(ExpressionPtr inner) {
  const int line = tokens_.take().line;
  ExpressionPtr key;
  if (!tokens_.now().is_operator(":")) {
    RQ_TRY(key, expression());
  }
  if (tokens_.now().is_operator(":")) {
    RQ_TRY(inner, slice(std::move(inner), std::move(key)));
    RQ_CHECK(tokens_.expect_operator("]"));
    return inner;
  }
  if (tokens_.now().is_operator(",")) {
    ExpressionPtr keys = make(Node::kTuple, line);
    RQ_CHECK(put(*keys, std::move(key)));
    while (tokens_.skip_operator(",")) {
      RQ_TRY(ExpressionPtr part, expression());
      RQ_CHECK(put(*keys, std::move(part)));
    }
    key = std::move(keys);
  }
  RQ_CHECK(tokens_.expect_operator("]"));
  ExpressionPtr node = make(Node::kItem, line);
  RQ_CHECK(put(*node, std::move(inner)));
  RQ_CHECK(put(*node, std::move(key)));
  return node;
}

Result<ExpressionPtr> ExpressionParser::slice(ExpressionPtr inner, ExpressionPtr begin) {
  ExpressionPtr node = make(Node::kSlice, tokens_.line());
  RQ_CHECK(put(*node, std::move(inner)));
  RQ_CHECK(put(*node, std::move(begin)));
  for (int i = 0; i < 2; ++i) {
    ExpressionPtr part;
    if (tokens_.skip_operator(":") && !tokens_.now().is_operator(":") &&
        !tokens_.now().is_operator("]")) {
      RQ_TRY(part, expression());
    }
    RQ_CHECK(put(*node, std::move(part)));
  }
  return node;
}

Result<ExpressionPtr> ExpressionParser::filters(ExpressionPtr inner, bool bare) {
  while (bare || tokens_.skip_operator("|")) {
    bare = false;
    ExpressionPtr node = make(Node::kFilter, tokens_.line());
    RQ_TRY(node->name, tokens_.expect_name());
    RQ_CHECK(put(*node, std::move(inner)));
    if (tokens_.now().is_operator("(")) RQ_CHECK(arguments(*node));
    inner = std::move(node);
  }
  return inner;
}

Result<ExpressionPtr> ExpressionParser::test(ExpressionPtr inner) {
  ExpressionPtr node = make(Node::kTest, tokens_.take().line);
  const bool negated = tokens_.skip_name("not");
  RQ_TRY(node->name, tokens_.expect_name());
  RQ_CHECK(put(*node, std::move(inner)));
  const Token& now = tokens_.now();
  const bool value = now.is(TokenKind::kName) || now.is(TokenKind::kString) ||
                     now.is(TokenKind::kInteger) || now.is(TokenKind::kFloat) ||
                     now.is_operator("[") || now.is_operator("{");
  if (now.is_operator("(")) {
    RQ_CHECK(arguments(*node));
  } else if (value && !now.is_name("else") && !now.is_name("or") && !now.is_name("and")) {
    if (now.is_name("is")) return tokens_.fail("one 'is' after another");
    RQ_TRY(ExpressionPtr argument, primary());
    RQ_TRY(argument, postfix(std::move(argument)));
    RQ_CHECK(put(*node, std::move(argument)));
  }
  if (!negated) return node;
  ExpressionPtr negation = make(Node::kNot, node->line);
  RQ_CHECK(put(*negation, std::move(node)));
  return negation;
}

Result<void> ExpressionParser::arguments(Expression& call) {
  RQ_CHECK(tokens_.expect_operator("("));
  bool first = true;
  while (!tokens_.now().is_operator(")")) {
    if (!first) RQ_CHECK(tokens_.expect_operator(","));
    if (tokens_.now().is_operator(")")) break;
    first = false;
    RQ_CHECK(argument(call));
  }
  tokens_.take();
  return {};
}

Result<void> ExpressionParser::argument(Expression& call) {
  const bool stars = tokens_.now().is_operator("**");
  if (stars || tokens_.now().is_operator("*")) {
    ExpressionPtr& place = stars ? call.named_rest : call.rest;
    if (place != nullptr || call.named_rest != nullptr)
      return tokens_.fail("arguments in disorder");
    tokens_.take();
    RQ_TRY(place, expression());
    return deeper(call, *place);
  }
  if (tokens_.now().is(TokenKind::kName) && tokens_.after().is_operator("=")) {
    if (call.named_rest != nullptr) return tokens_.fail("arguments in disorder");
    std::string name = tokens_.take().text;
    tokens_.take();
    for (const auto& [other, value] : call.named) {
      if (other == name) return tokens_.fail("the argument '" + name + "' twice");
    }
    RQ_TRY(ExpressionPtr value, expression());
    RQ_CHECK(deeper(call, *value));
    call.named.emplace_back(std::move(name), std::move(value));
    return {};
  }
  if (!call.named.empty() || call.rest != nullptr || call.named_rest != nullptr) {
    return tokens_.fail("arguments in disorder");
  }
  RQ_TRY(ExpressionPtr value, expression());
  return put(call, std::move(value));
}

}  // namespace requant::jinja
