#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/value.h"

// A template as a tree.
namespace requant::jinja {

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

enum class ExpressionKind : std::uint8_t {
  kConstant,   // value
  kName,       // name
  kList,       // parts
  kTuple,      // parts
  kDict,       // parts: key, value, key ...
  kAttribute,  // parts[0].name
  kItem,       // parts[0][parts[1]]
  kSlice,      // parts[0][parts[1]:parts[2]:parts[3]], any of the three may be missing
  kCall,       // parts[0](parts[1] ...)
  kFilter,     // parts[0]|name(parts[1] ...)
  kTest,       // parts[0] is name(parts[1] ...)
  kNot,        // parts[0], as are the next two
  kNegative,
  kPositive,
  kArithmetic,  // parts[0] name parts[1]
  kCompare,     // parts[0] signs[0] parts[1] signs[1] parts[2] ...
  kConcat,      // parts
  kAnd,         // parts[0], parts[1]
  kOr,
  kChoice,  // parts[1] if parts[0] else parts[2], which may be missing
};

struct Expression {
  ExpressionKind kind = ExpressionKind::kConstant;
  int line = 1;
  int depth = 1;  // of the tree below
  std::string name;
  Value value;
  std::vector<ExpressionPtr> parts;
  std::vector<std::string> signs;
  // Of calls.
  std::vector<std::pair<std::string, ExpressionPtr>> named;
  ExpressionPtr rest;        // *rest
  ExpressionPtr named_rest;  // **named_rest
};

// What a value is assigned to: a name, a name of a namespace, or several of them.
struct Target {
  std::string name;
  std::string member;  // name.member
  std::vector<Target> parts;
  bool is_tuple = false;
};

struct Parameter {
  std::string name;
  ExpressionPtr otherwise;  // may be missing
};

// Names that a macro has only where its body says them.
struct Mentions {
  bool varargs = false;
  bool kwargs = false;
  bool caller = false;

  void add(const Mentions& other) {
    varargs |= other.varargs;
    kwargs |= other.kwargs;
    caller |= other.caller;
  }
};

struct Statement;
using Body = std::vector<Statement>;

enum class StatementKind : std::uint8_t {
  kData,      // text
  kPrint,     // expression
  kFor,       // targets[0] in expression [if test]: body, other
  kIf,        // branches, other
  kSet,       // targets[0] = expression
  kSetBlock,  // targets[0] = body, through the filters of expression where there is one
  kMacro,     // text(parameters): body
  kCall,      // expression, with body as caller(parameters)
  kFilter,    // expression over body
  kWith,      // targets = values: body
  kScope,     // body, whose names end with it
  kBreak,
  kContinue,
};

struct Branch;

struct Statement {
  StatementKind kind = StatementKind::kData;
  int line = 1;
  std::string text;
  std::vector<Target> targets;
  ExpressionPtr expression;
  ExpressionPtr test;
  std::vector<ExpressionPtr> values;
  std::vector<Parameter> parameters;
  std::vector<Branch> branches;
  Body body;
  Body other;
  bool recursive = false;
  Mentions mentions;  // in the body of a macro
};

struct Branch {
  ExpressionPtr test;
  Body body;
};

}  // namespace requant::jinja
