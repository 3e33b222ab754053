// The expressions of a template.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "text/jinja/arithmetic.h"
#include "text/jinja/attribute.h"
#include "text/jinja/builtin.h"
#include "text/jinja/loop.h"
#include "text/jinja/print.h"
#include "text/jinja/renderer.h"

namespace requant::jinja {
namespace {
using Node = ExpressionKind;
}  // namespace

Result<Value> Renderer::look_up(std::string_view name) {
  for (const Scope* scope = scope_.get(); scope != nullptr; scope = scope->around.get()) {
    for (const Scope::Entry& entry : scope->entries) {
      if (entry.name == name) return entry.value;
    }
  }
  if (const Builtin* function = find_function(name)) return function_value(*function);
  return Value::undefined(fmt::format("{} is undefined", in_quotes(name)));
}

Result<Value> Renderer::evaluate(const Expression& expression) {
  RQ_CHECK(budget_.step());
  const Level level(budget_);
  RQ_CHECK(level.entered());
  switch (expression.kind) {
    case Node::kConstant:
      return expression.value;
    case Node::kName:
      return look_up(expression.name);
    case Node::kList:
    case Node::kTuple: {
      RQ_TRY(std::vector<Value> items, evaluate_parts(expression, 0));
      return sequence_value(budget_, expression.kind == Node::kList ? Kind::kList : Kind::kTuple,
                            std::move(items));
    }
    case Node::kDict:
      return evaluate_dict(expression);
    case Node::kAttribute: {
      RQ_TRY(const Value object, evaluate(*expression.parts[0]));
      line_ = expression.line;
      return attribute_of(*this, object, expression.name);
    }
    case Node::kItem: {
      RQ_TRY(const Value object, evaluate(*expression.parts[0]));
      RQ_TRY(const Value key, evaluate(*expression.parts[1]));
      line_ = expression.line;
      return item_of(*this, object, key);
    }
    case Node::kSlice:
      return evaluate_slice(expression);
    case Node::kCall:
      return evaluate_call(expression);
    case Node::kFilter:
      return evaluate_filter(expression);
    case Node::kTest:
      return evaluate_test(expression);
    case Node::kNot:
    case Node::kNegative:
    case Node::kPositive:
      return evaluate_sign(expression);
    case Node::kArithmetic: {
      RQ_TRY(const Value left, evaluate(*expression.parts[0]));
      RQ_TRY(const Value right, evaluate(*expression.parts[1]));
      line_ = expression.line;
      return calculate(*this, expression.name, left, right);
    }
    case Node::kCompare:
      return evaluate_compare(expression);
    case Node::kConcat:
      return evaluate_concat(expression);
    case Node::kAnd:
    case Node::kOr:
      return evaluate_logic(expression);
    case Node::kChoice:
      return evaluate_choice(expression);
  }
  return Value();
}

Result<std::vector<Value>> Renderer::evaluate_parts(const Expression& expression,
                                                    std::size_t from) {
  std::vector<Value> values;
  for (std::size_t i = from; i < expression.parts.size(); ++i) {
    RQ_TRY(Value value, evaluate(*expression.parts[i]));
    values.push_back(std::move(value));
  }
  return values;
}

Result<Value> Renderer::evaluate_dict(const Expression& expression) {
  Members members;
  for (std::size_t i = 0; i + 1 < expression.parts.size(); i += 2) {
    RQ_TRY(Value key, evaluate(*expression.parts[i]));
    RQ_TRY(Value value, evaluate(*expression.parts[i + 1]));
    RQ_CHECK(set_member(budget_, members, std::move(key), std::move(value)));
  }
  return dict_value(budget_, std::move(members));
}

Result<Value> Renderer::evaluate_slice(const Expression& expression) {
  RQ_TRY(const Value object, evaluate(*expression.parts[0]));
  Value bounds[3] = {Value::none(), Value::none(), Value::none()};
  for (std::size_t i = 0; i < 3; ++i) {
    const ExpressionPtr& part = expression.parts[i + 1];
    if (part == nullptr) continue;
    RQ_TRY(bounds[i], evaluate(*part));
  }
  line_ = expression.line;
  return slice_of(*this, object, bounds);
}

Result<void> Renderer::add_arguments(const Expression& expression, Arguments& arguments) {
  RQ_TRY(std::vector<Value> values, evaluate_parts(expression, 1));
  std::ranges::move(values, std::back_inserter(arguments.positional));
  for (const auto& [name, part] : expression.named) {
    RQ_TRY(Value value, evaluate(*part));
    arguments.named.emplace_back(name, std::move(value));
  }
  if (expression.rest != nullptr) {
    RQ_TRY(const Value rest, evaluate(*expression.rest));
    RQ_TRY(const Value items, items_of(budget_, rest));
    std::ranges::copy(items.items(), std::back_inserter(arguments.positional));
  }
  if (expression.named_rest != nullptr) {
    RQ_TRY(const Value rest, evaluate(*expression.named_rest));
    if (!rest.is(Kind::kDict)) return corrupt("what stands after '**' is no dict");
    for (const auto& [key, value] : rest.members()) {
      if (!key.is_text()) return corrupt("a key after '**' is no text");
      arguments.named.emplace_back(key.text(), value);
    }
  }
  line_ = expression.line;
  return {};
}

Result<Value> Renderer::evaluate_call(const Expression& expression, const Value* caller) {
  RQ_TRY(const Value callee, evaluate(*expression.parts[0]));
  Arguments arguments;
  RQ_CHECK(add_arguments(expression, arguments));
  if (caller != nullptr) arguments.named.emplace_back("caller", *caller);
  return call(callee, std::move(arguments));
}

Result<Value> Renderer::call(const Value& callee, Arguments arguments) {
  const Level level(budget_);
  RQ_CHECK(level.entered());
  if (callee.is_undefined()) return corrupt(callee.why());
  if (callee.is(Kind::kLoop) && callee.loop().again && arguments.positional.size() == 1) {
    return callee.loop().again(*this, arguments.positional[0]);
  }
  if (!callee.is(Kind::kCallable)) {
    return corrupt(fmt::format("'{}' object is not callable", callee.type()));
  }
  return callee.callable().call(*this, std::move(arguments));
}

Result<Value> Renderer::filter(std::string_view name, Arguments arguments) {
  const Level level(budget_);
  RQ_CHECK(level.entered());
  const Builtin* builtin = find_filter(name);
  if (builtin == nullptr) return refused("no filter named " + in_quotes(name));
  return invoke(*this, *builtin, std::move(arguments));
}

Result<bool> Renderer::test(std::string_view name, Arguments arguments) {
  const Level level(budget_);
  RQ_CHECK(level.entered());
  const Builtin* builtin = find_test(name);
  if (builtin == nullptr) return refused("no test named " + in_quotes(name));
  RQ_TRY(const Value value, invoke(*this, *builtin, std::move(arguments)));
  return truth(value);
}

Result<Value> Renderer::evaluate_filter(const Expression& expression) {
  Arguments arguments;
  if (expression.parts[0] == nullptr) {
    arguments.positional.push_back(*block_);
  } else {
    RQ_TRY(Value value, evaluate(*expression.parts[0]));
    arguments.positional.push_back(std::move(value));
  }
  RQ_CHECK(add_arguments(expression, arguments));
  return filter(expression.name, std::move(arguments));
}

Result<Value> Renderer::evaluate_test(const Expression& expression) {
  Arguments arguments;
  RQ_TRY(Value value, evaluate(*expression.parts[0]));
  arguments.positional.push_back(std::move(value));
  RQ_CHECK(add_arguments(expression, arguments));
  RQ_TRY(const bool passes, test(expression.name, std::move(arguments)));
  return Value::boolean(passes);
}

Result<Value> Renderer::evaluate_sign(const Expression& expression) {
  RQ_TRY(Value value, evaluate(*expression.parts[0]));
  if (expression.kind == Node::kNot) return Value::boolean(!truth(value));
  line_ = expression.line;
  return signed_number(value, expression.kind == Node::kNegative);
}

namespace {

Result<bool> holds(Budget& budget, std::string_view sign, const Value& a, const Value& b) {
  if (sign == "==") return equal(budget, a, b);
  if (sign == "<") return less(budget, a, b);
  if (sign == ">") return less(budget, b, a);
  if (sign == "in") return contains(budget, b, a);
  if (sign == "not in") {
    RQ_TRY(const bool there, contains(budget, b, a));
    return !there;
  }
  RQ_TRY(const bool same, equal(budget, a, b));
  if (sign == "!=") return !same;
  // An order is asked for in any case: it may be missing.
  RQ_TRY(const bool before, sign == "<=" ? less(budget, a, b) : less(budget, b, a));
  return before || same;
}

}  // namespace

Result<Value> Renderer::evaluate_compare(const Expression& expression) {
  RQ_TRY(Value left, evaluate(*expression.parts[0]));
  for (std::size_t i = 0; i < expression.signs.size(); ++i) {
    RQ_TRY(Value right, evaluate(*expression.parts[i + 1]));
    line_ = expression.line;
    RQ_TRY(const bool good, holds(budget_, expression.signs[i], left, right));
    if (!good) return Value::boolean(false);
    left = std::move(right);
  }
  return Value::boolean(true);
}

Result<Value> Renderer::evaluate_concat(const Expression& expression) {
  std::string out;
  for (const ExpressionPtr& part : expression.parts) {
    RQ_TRY(const Value value, evaluate(*part));
    if (!value.is_undefined()) RQ_CHECK(append_str(budget_, value, out));
  }
  return text(std::move(out));
}

Result<Value> Renderer::evaluate_logic(const Expression& expression) {
  RQ_TRY(Value left, evaluate(*expression.parts[0]));
  if (truth(left) == (expression.kind == Node::kOr)) return left;
  return evaluate(*expression.parts[1]);
}

Result<Value> Renderer::evaluate_choice(const Expression& expression) {
  RQ_TRY(const Value test, evaluate(*expression.parts[0]));
  if (truth(test)) return evaluate(*expression.parts[1]);
  if (expression.parts[2] != nullptr) return evaluate(*expression.parts[2]);
  return Value::undefined("an inline if without an else was false");
}

}  // namespace requant::jinja
