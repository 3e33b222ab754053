#include "text/jinja/parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "base/text.h"
#include "text/jinja/expression_parser.h"
#include "text/jinja/token_stream.h"

namespace requant::jinja {
namespace {

using Tag = StatementKind;
using Ends = std::initializer_list<std::string_view>;

bool is_constant_name(std::string_view name) {
  constexpr std::string_view kNames[] = {"true", "True", "false", "False", "none", "None"};
  return std::ranges::find(kNames, name) != std::end(kNames);
}

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)), expressions_(tokens_) {}

  Result<Body> run() { return body({}); }

 private:
  struct Row {
    std::string_view name;
    Result<void> (Parser::*parse)(Statement& statement);
  };

  // Up to a tag with one of these names, which is next; up to the end of the template without any.
  Result<Body> body(Ends ends) {
    if (depth_ > kDeepestTree) {
      return refused(fmt::format("line {}: tags over {} deep", tokens_.line(), kDeepestTree));
    }
    ++depth_;
    Body result;
    while (!tokens_.now().is(TokenKind::kEnd)) {
      const int line = tokens_.line();
      Token begin = tokens_.take();
      if (begin.is(TokenKind::kBlockBegin) && std::ranges::any_of(ends, [&](std::string_view end) {
            return tokens_.now().is_name(end);
          })) {
        --depth_;
        return result;
      }
      Statement& statement = result.emplace_back();
      statement.line = line;
      if (begin.is(TokenKind::kData)) {
        statement.text = std::move(begin.text);
      } else if (begin.is(TokenKind::kVariableBegin)) {
        statement.kind = Tag::kPrint;
        RQ_TRY(statement.expression, expressions_.tuple(true));
        RQ_CHECK(tokens_.expect(TokenKind::kVariableEnd));
      } else {
        RQ_CHECK(tag(statement));
        RQ_CHECK(tokens_.expect(TokenKind::kBlockEnd));
      }
    }
    if (ends.size() > 0) {
      return tokens_.fail(fmt::format("the template ends without '{}'", *(ends.end() - 1)));
    }
    --depth_;
    return result;
  }

  // The rest of an opening tag, and what follows it.
  Result<Body> block(Ends ends) {
    tokens_.skip_operator(":");
    RQ_CHECK(tokens_.expect(TokenKind::kBlockEnd));
    return body(ends);
  }

  // The same, with the closing tag's name.
  Result<Body> whole_block(std::string_view end) {
    RQ_TRY(Body result, block({end}));
    tokens_.take();
    return result;
  }

  Result<void> tag(Statement& statement) {
    static constexpr Row kTags[] = {
        {"for", &Parser::for_tag},     {"if", &Parser::if_tag},
        {"set", &Parser::set_tag},     {"macro", &Parser::macro_tag},
        {"call", &Parser::call_tag},   {"filter", &Parser::filter_tag},
        {"with", &Parser::with_tag},   {"generation", &Parser::generation_tag},
        {"break", &Parser::break_tag}, {"continue", &Parser::continue_tag},
        {"print", &Parser::print_tag},
    };
    if (!tokens_.now().is(TokenKind::kName)) return tokens_.unexpected("the name of a tag");
    const std::string name = tokens_.now().text;
    for (const Row& row : kTags) {
      if (row.name != name) continue;
      tokens_.take();
      return (this->*row.parse)(statement);
    }
    constexpr std::string_view kKnown[] = {"include", "import", "from",  "extends",
                                           "block",   "do",     "debug", "autoescape"};
    if (std::ranges::find(kKnown, name) != std::end(kKnown)) {
      return refused(fmt::format("line {}: the tag '{}' is not supported", tokens_.line(), name));
    }
    return tokens_.fail("unknown tag " + in_quotes(name));
  }

  Result<Target> one_target(bool members) {
    if (tokens_.skip_operator("(")) {
      RQ_TRY(Target inner, target({}, members));
      RQ_CHECK(tokens_.expect_operator(")"));
      return inner;
    }
    Target result;
    RQ_TRY(result.name, tokens_.expect_name());
    if (is_constant_name(result.name)) return tokens_.fail("a constant cannot be assigned to");
    if (members && tokens_.skip_operator(".")) {
      RQ_TRY(result.member, tokens_.expect_name());
    }
    return result;
  }

  // One target or several, up to the name `end`.
  Result<Target> target(std::string_view end, bool members) {
    if (depth_ > kDeepestTree) return tokens_.fail("brackets too deep");
    ++depth_;
    Target several;
    several.is_tuple = true;
    bool comma = false;
    while (true) {
      const Token& now = tokens_.now();
      if (!several.parts.empty() &&
          (now.is_operator("=") || now.is_operator(")") || now.is(TokenKind::kBlockEnd) ||
           (!end.empty() && now.is_name(end)))) {
        break;
      }
      RQ_TRY(Target one, one_target(members));
      several.parts.push_back(std::move(one));
      if (!tokens_.skip_operator(",")) break;
      comma = true;
    }
    --depth_;
    if (comma) return several;
    Target one = std::move(several.parts[0]);
    return one;
  }

  Result<void> for_tag(Statement& statement) {
    statement.kind = Tag::kFor;
    RQ_TRY(Target loop, target("in", false));
    statement.targets.push_back(std::move(loop));
    if (!tokens_.skip_name("in")) return tokens_.unexpected("'in'");
    RQ_TRY(statement.expression, expressions_.tuple(false, "recursive"));
    if (tokens_.skip_name("if")) {
      RQ_TRY(statement.test, expressions_.expression());
    }
    statement.recursive = tokens_.skip_name("recursive");
    RQ_TRY(statement.body, block({"else", "endfor"}));
    if (tokens_.take().text == "else") {
      RQ_TRY(statement.other, whole_block("endfor"));
    }
    return {};
  }

  Result<void> if_tag(Statement& statement) {
    statement.kind = Tag::kIf;
    while (true) {
      Branch branch;
      RQ_TRY(branch.test, expressions_.tuple(false));
      RQ_TRY(branch.body, block({"elif", "else", "endif"}));
      statement.branches.push_back(std::move(branch));
      const std::string end = tokens_.take().text;
      if (end == "elif") continue;
      if (end == "else") {
        RQ_TRY(statement.other, whole_block("endif"));
      }
      return {};
    }
  }

  Result<void> set_tag(Statement& statement) {
    RQ_TRY(Target into, target({}, true));
    statement.targets.push_back(std::move(into));
    if (tokens_.skip_operator("=")) {
      statement.kind = Tag::kSet;
      RQ_TRY(statement.expression, expressions_.tuple(true));
      return {};
    }
    statement.kind = Tag::kSetBlock;
    RQ_TRY(statement.expression, expressions_.filters(nullptr, false));
    RQ_TRY(statement.body, whole_block("endset"));
    return {};
  }

  Result<void> signature(Statement& statement) {
    RQ_CHECK(tokens_.expect_operator("("));
    while (!tokens_.now().is_operator(")")) {
      if (!statement.parameters.empty()) RQ_CHECK(tokens_.expect_operator(","));
      Parameter parameter;
      RQ_TRY(parameter.name, tokens_.expect_name());
      if (tokens_.skip_operator("=")) {
        RQ_TRY(parameter.otherwise, expressions_.expression());
      } else if (!statement.parameters.empty() &&
                 statement.parameters.back().otherwise != nullptr) {
        return tokens_.fail("a parameter without a default after one that has it");
      }
      statement.parameters.push_back(std::move(parameter));
    }
    tokens_.take();
    return {};
  }

  Result<void> macro_body(Statement& statement, std::string_view end) {
    const Mentions outside = std::exchange(expressions_.mentions, {});
    if (statement.kind == Tag::kMacro) RQ_CHECK(signature(statement));
    RQ_TRY(statement.body, whole_block(end));
    statement.mentions = expressions_.mentions;
    expressions_.mentions.add(outside);
    return {};
  }

  Result<void> macro_tag(Statement& statement) {
    statement.kind = Tag::kMacro;
    RQ_TRY(statement.text, tokens_.expect_name());
    return macro_body(statement, "endmacro");
  }

  Result<void> call_tag(Statement& statement) {
    statement.kind = Tag::kCall;
    statement.text = "caller";
    if (tokens_.now().is_operator("(")) RQ_CHECK(signature(statement));
    RQ_TRY(statement.expression, expressions_.expression());
    if (statement.expression->kind != ExpressionKind::kCall) return tokens_.unexpected("a call");
    return macro_body(statement, "endcall");
  }

  Result<void> filter_tag(Statement& statement) {
    statement.kind = Tag::kFilter;
    RQ_TRY(statement.expression, expressions_.filters(nullptr, true));
    RQ_TRY(statement.body, whole_block("endfilter"));
    return {};
  }

  Result<void> with_tag(Statement& statement) {
    statement.kind = Tag::kWith;
    while (!tokens_.now().is(TokenKind::kBlockEnd)) {
      if (!statement.targets.empty()) RQ_CHECK(tokens_.expect_operator(","));
      RQ_TRY(Target into, one_target(false));
      statement.targets.push_back(std::move(into));
      RQ_CHECK(tokens_.expect_operator("="));
      RQ_TRY(ExpressionPtr value, expressions_.expression());
      statement.values.push_back(std::move(value));
    }
    RQ_TRY(statement.body, whole_block("endwith"));
    return {};
  }

  Result<void> generation_tag(Statement& statement) {
    statement.kind = Tag::kScope;
    RQ_TRY(statement.body, whole_block("endgeneration"));
    return {};
  }

  Result<void> break_tag(Statement& statement) {
    statement.kind = Tag::kBreak;
    return {};
  }

  Result<void> continue_tag(Statement& statement) {
    statement.kind = Tag::kContinue;
    return {};
  }

  Result<void> print_tag(Statement& statement) {
    statement.kind = Tag::kPrint;
    RQ_TRY(statement.expression, expressions_.expression());
    return {};
  }

  TokenStream tokens_;
  ExpressionParser expressions_;
  int depth_ = 0;
};

}  // namespace

Result<Body> parse(std::string_view source) {
  RQ_TRY(std::vector<Token> tokens, tokens_of(source));
  return Parser(std::move(tokens)).run();
}

}  // namespace requant::jinja
