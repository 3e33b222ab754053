#include "text/jinja/renderer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "text/jinja/loop.h"
#include "text/jinja/print.h"

namespace requant::jinja {

namespace {
using Tag = StatementKind;
}  // namespace

// A new scope inside of another while it lives.
class Renderer::InScope {
 public:
  explicit InScope(Renderer& renderer) : InScope(renderer, renderer.scope_) {}
  InScope(Renderer& renderer, std::shared_ptr<Scope> around)
      : renderer_(renderer), outside_(std::move(renderer.scope_)) {
    renderer_.scope_ = std::make_shared<Scope>();
    renderer_.scope_->around = std::move(around);
  }
  ~InScope() { renderer_.scope_ = std::move(outside_); }
  InScope(const InScope&) = delete;
  InScope& operator=(const InScope&) = delete;

 private:
  Renderer& renderer_;
  std::shared_ptr<Scope> outside_;
};

// What is written while it lives goes into `text`.
class Renderer::Capture {
 public:
  Capture(Renderer& renderer, std::string& text)
      : renderer_(renderer), outside_(std::exchange(renderer.out_, &text)) {}
  ~Capture() { renderer_.out_ = outside_; }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

 private:
  Renderer& renderer_;
  std::string* outside_;
};

Renderer::~Renderer() {
  // Macros hold their scopes, and these hold macros; namespaces hold anything.
  for (const auto& scope : kept_) {
    for (Scope* s = scope.get(); s != nullptr; s = s->around.get()) s->entries.clear();
  }
  for (const auto& space : namespaces_) space->members.clear();
}

Result<std::string> Renderer::run(const Body& body,
                                  const std::vector<std::pair<std::string, Value>>& names) {
  scope_ = std::make_shared<Scope>();
  for (const auto& [name, value] : names) RQ_CHECK(set(name, value));
  std::string out;
  const Capture capture(*this, out);
  const auto flow = run_body(body);
  if (!flow) {
    return Error(flow.error()).within(fmt::format("line {}", line_));
  }
  if (*flow != Flow::kNext) {
    return corrupt(fmt::format("line {}: 'break' or 'continue' outside of a loop", line_));
  }
  return out;
}

Value Renderer::make_namespace(std::vector<std::pair<std::string, Value>> members) {
  namespaces_.push_back(std::make_unique<Namespace>(Namespace{std::move(members)}));
  return Value::space(namespaces_.back().get());
}

Result<void> Renderer::write(std::string_view text) {
  RQ_CHECK(budget_.write(text.size()));
  *out_ += text;
  return {};
}

Result<void> Renderer::set(std::string_view name, Value value) {
  for (Scope::Entry& entry : scope_->entries) {
    if (entry.name == name) {
      entry.value = std::move(value);
      return {};
    }
  }
  RQ_CHECK(budget_.room(sizeof(Scope::Entry)));
  scope_->entries.push_back({name, std::move(value), Charge(&budget_, sizeof(Scope::Entry))});
  return {};
}

Result<void> Renderer::assign(const Target& target, Value value) {
  if (target.is_tuple) {
    RQ_TRY(const Value items, items_of(budget_, value));
    if (items.items().size() != target.parts.size()) {
      return corrupt(
          fmt::format("{} values for {} names", items.items().size(), target.parts.size()));
    }
    for (std::size_t i = 0; i < target.parts.size(); ++i) {
      RQ_CHECK(assign(target.parts[i], items.items()[i]));
    }
    return {};
  }
  if (target.member.empty()) return set(target.name, std::move(value));
  RQ_TRY(const Value space, look_up(target.name));
  if (!space.is(Kind::kNamespace)) {
    return corrupt(fmt::format("{} is no namespace", in_quotes(target.name)));
  }
  auto& members = space.space().members;
  const auto found =
      std::ranges::find(members, target.member, &std::pair<std::string, Value>::first);
  if (found != members.end()) {
    found->second = std::move(value);
  } else {
    members.emplace_back(target.member, std::move(value));
  }
  return {};
}

Result<Renderer::Flow> Renderer::run_body(const Body& body) {
  const Level level(budget_);
  RQ_CHECK(level.entered());
  for (const Statement& statement : body) {
    line_ = statement.line;
    RQ_CHECK(budget_.step());
    RQ_TRY(const Flow flow, run_statement(statement));
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Result<Renderer::Flow> Renderer::run_statement(const Statement& statement) {
  switch (statement.kind) {
    case Tag::kFor: {
      RQ_TRY(const Value source, evaluate(*statement.expression));
      return run_for(statement, source, 1);
    }
    case Tag::kIf:
      return run_if(statement);
    case Tag::kWith:
      return run_with(statement);
    case Tag::kBreak:
      return Flow::kBreak;
    case Tag::kContinue:
      return Flow::kContinue;
    case Tag::kScope: {
      const InScope inside(*this);
      return run_body(statement.body);
    }
    case Tag::kData:
      RQ_CHECK(write(statement.text));
      break;
    case Tag::kPrint:
      RQ_CHECK(print(*statement.expression));
      break;
    case Tag::kSet: {
      RQ_TRY(Value value, evaluate(*statement.expression));
      RQ_CHECK(assign(statement.targets[0], std::move(value)));
      break;
    }
    case Tag::kSetBlock:
      RQ_CHECK(run_set_block(statement));
      break;
    case Tag::kMacro:
      RQ_CHECK(set(statement.text, macro_of(statement)));
      break;
    case Tag::kCall:
      RQ_CHECK(run_call(statement));
      break;
    case Tag::kFilter:
      RQ_CHECK(run_filter(statement));
      break;
  }
  return Flow::kNext;
}

Result<void> Renderer::print(const Expression& expression) {
  RQ_TRY(const Value value, evaluate(expression));
  if (value.is_text()) return write(value.text());
  RQ_TRY(const std::string text, str(budget_, value));
  return write(text);
}

Result<Renderer::Flow> Renderer::run_if(const Statement& statement) {
  for (const Branch& branch : statement.branches) {
    RQ_TRY(const Value value, evaluate(*branch.test));
    if (truth(value)) return run_body(branch.body);
  }
  return run_body(statement.other);
}

// The items that the `if` of a for lets pass.
Result<Value> Renderer::chosen(const Statement& statement, Value items) {
  if (statement.test == nullptr) return items;
  std::vector<Value> kept;
  for (const Value& item : items.items()) {
    const InScope inside(*this);
    RQ_CHECK(assign(statement.targets[0], item));
    RQ_TRY(const Value value, evaluate(*statement.test));
    if (truth(value)) kept.push_back(item);
  }
  return list(std::move(kept));
}

Result<Renderer::Flow> Renderer::run_for(const Statement& statement, const Value& source,
                                         int depth) {
  RQ_TRY(const Value all, items_of(budget_, source));
  RQ_TRY(Value items, chosen(statement, all));
  const auto loop = std::make_shared<Loop>();
  loop->items = std::move(items);
  loop->depth = depth;
  if (statement.recursive) {
    loop->again = [&statement, around = scope_, depth](Renderer& renderer, const Value& inner) {
      return renderer.loop_text(statement, around, inner, depth + 1);
    };
  }
  bool any_whole = false;  // as Jinja has it, a pass that is cut short does not count for `else`
  for (const Value& item : loop->items.items()) {
    const InScope inside(*this);
    RQ_CHECK(budget_.step(4));
    RQ_CHECK(set("loop", Value::loop(loop)));
    RQ_CHECK(assign(statement.targets[0], item));
    RQ_TRY(const Flow flow, run_body(statement.body));
    ++loop->at;
    if (flow == Flow::kBreak) break;
    any_whole |= flow == Flow::kNext;
  }
  if (any_whole) return Flow::kNext;
  const InScope inside(*this);
  return run_body(statement.other);
}

Result<Value> Renderer::loop_text(const Statement& statement, const std::shared_ptr<Scope>& around,
                                  const Value& items, int depth) {
  std::string out;
  const Capture capture(*this, out);
  const InScope inside(*this, around);
  RQ_TRY(const Flow flow, run_for(statement, items, depth));
  static_cast<void>(flow);
  return text(std::move(out));
}

Result<std::string> Renderer::captured(const Body& body) {
  std::string out;
  const Capture capture(*this, out);
  RQ_TRY(const Flow flow, run_body(body));
  if (flow != Flow::kNext) return corrupt("'break' or 'continue' outside of a loop");
  return out;
}

Result<void> Renderer::run_set_block(const Statement& statement) {
  Value value;
  {
    const InScope inside(*this);
    RQ_TRY(std::string out, captured(statement.body));
    RQ_TRY(value, text(std::move(out)));
    if (statement.expression != nullptr) {
      block_ = &value;
      RQ_TRY(Value filtered, evaluate(*statement.expression));
      value = std::move(filtered);
    }
  }
  return assign(statement.targets[0], std::move(value));
}

Result<void> Renderer::run_filter(const Statement& statement) {
  const InScope inside(*this);
  RQ_TRY(std::string out, captured(statement.body));
  RQ_TRY(const Value value, text(std::move(out)));
  block_ = &value;
  return print(*statement.expression);
}

Result<Renderer::Flow> Renderer::run_with(const Statement& statement) {
  std::vector<Value> values;
  for (const ExpressionPtr& expression : statement.values) {
    RQ_TRY(Value value, evaluate(*expression));
    values.push_back(std::move(value));
  }
  const InScope inside(*this);
  for (std::size_t i = 0; i < values.size(); ++i) {
    RQ_CHECK(assign(statement.targets[i], std::move(values[i])));
  }
  return run_body(statement.body);
}

Value Renderer::macro_of(const Statement& statement) {
  if (kept_.empty() || kept_.back() != scope_) kept_.push_back(scope_);
  auto callable = std::make_shared<Callable>();
  callable->name = statement.text;
  callable->call = [&statement, around = scope_](Renderer& renderer, Arguments arguments) {
    return renderer.run_macro(statement, around, std::move(arguments));
  };
  return Value::callable(std::move(callable));
}

Result<void> Renderer::run_call(const Statement& statement) {
  const Value caller = macro_of(statement);
  RQ_TRY(const Value value, evaluate_call(*statement.expression, &caller));
  RQ_TRY(const std::string out, str(budget_, value));
  return write(out);
}

Result<Value> Renderer::run_macro(const Statement& macro, const std::shared_ptr<Scope>& around,
                                  Arguments arguments) {
  const InScope inside(*this, around);
  RQ_CHECK(bind(macro, arguments));
  RQ_CHECK(bind_rest(macro, arguments));
  RQ_TRY(std::string out, captured(macro.body));
  return text(std::move(out));
}

Result<void> Renderer::bind(const Statement& macro, Arguments& arguments) {
  auto& named = arguments.named;
  for (std::size_t i = 0; i < macro.parameters.size(); ++i) {
    const Parameter& parameter = macro.parameters[i];
    const auto found =
        std::ranges::find(named, parameter.name, &std::pair<std::string, Value>::first);
    if (i < arguments.positional.size()) {
      RQ_CHECK(set(parameter.name, arguments.positional[i]));
    } else if (found != named.end()) {
      RQ_CHECK(set(parameter.name, std::move(found->second)));
      named.erase(found);
    } else if (parameter.otherwise != nullptr) {
      RQ_TRY(Value value, evaluate(*parameter.otherwise));
      RQ_CHECK(set(parameter.name, std::move(value)));
    } else {
      RQ_CHECK(set(parameter.name, Value::undefined(fmt::format("parameter {} was not provided",
                                                                in_quotes(parameter.name)))));
    }
  }
  return {};
}

Result<void> Renderer::bind_rest(const Statement& macro, Arguments& arguments) {
  auto& [positional, named] = arguments;
  if (macro.mentions.caller) {
    const auto found = std::ranges::find(named, "caller", &std::pair<std::string, Value>::first);
    Value caller = Value::undefined("No caller defined");
    if (found != named.end()) {
      caller = std::move(found->second);
      named.erase(found);
    }
    const bool own = std::ranges::any_of(
        macro.parameters, [](const Parameter& parameter) { return parameter.name == "caller"; });
    if (!own) RQ_CHECK(set("caller", std::move(caller)));
  }
  if (macro.mentions.kwargs) {
    Members members;
    for (auto& [name, value] : named) {
      RQ_TRY(Value key, text(name));
      members.emplace_back(std::move(key), std::move(value));
    }
    RQ_TRY(Value dict, dict_value(budget_, std::move(members)));
    RQ_CHECK(set("kwargs", std::move(dict)));
  } else if (!named.empty()) {
    return corrupt(fmt::format("macro {} takes no argument {}", in_quotes(macro.text),
                               in_quotes(named[0].first)));
  }
  const std::size_t taken = std::min(positional.size(), macro.parameters.size());
  if (macro.mentions.varargs) {
    RQ_TRY(Value rest, sequence_value(budget_, Kind::kTuple,
                                      {positional.begin() + static_cast<std::ptrdiff_t>(taken),
                                       positional.end()}));
    return set("varargs", std::move(rest));
  }
  if (positional.size() > taken) {
    return corrupt(
        fmt::format("macro {} takes not more than {} arguments", in_quotes(macro.text), taken));
  }
  return {};
}

}  // namespace requant::jinja
