#pragma once

#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/budget.h"
#include "text/jinja/callable.h"
#include "text/jinja/node.h"
#include "text/jinja/value.h"

namespace requant::jinja {

// Names and their values, and the names around them.
struct Scope {
  struct Entry {
    std::string_view name;  // of the template, or of what it is given
    Value value;
    Charge charge;
  };
  std::shared_ptr<Scope> around;
  std::vector<Entry> entries;
};

// Runs a template. What filters, tests and functions need of it is public.
class Renderer {
 public:
  // `now` is what strftime_now tells. REQUIRES: both outlive it.
  Renderer(Budget& budget, const std::tm& now) : budget_(budget), now_(now) {}
  ~Renderer();
  Renderer(const Renderer&) = delete;
  Renderer& operator=(const Renderer&) = delete;

  // Errors begin with the line. REQUIRES: `body` and the names outlive it.
  Result<std::string> run(const Body& body,
                          const std::vector<std::pair<std::string, Value>>& names);

  Budget& budget() { return budget_; }
  const std::tm& now() const { return now_; }
  Result<Value> text(std::string text) { return text_value(budget_, std::move(text)); }
  Result<Value> list(std::vector<Value> items) { return list_value(budget_, std::move(items)); }
  Result<Value> call(const Value& callee, Arguments arguments);
  Result<Value> filter(std::string_view name, Arguments arguments);
  Result<bool> test(std::string_view name, Arguments arguments);
  Value make_namespace(std::vector<std::pair<std::string, Value>> members);

 private:
  enum class Flow : std::uint8_t { kNext, kBreak, kContinue };
  class InScope;
  class Capture;

  Result<Flow> run_body(const Body& body);
  Result<Flow> run_statement(const Statement& statement);
  Result<void> print(const Expression& expression);
  Result<Flow> run_for(const Statement& statement, const Value& source, int depth);
  Result<Value> chosen(const Statement& statement, Value items);
  Result<Value> loop_text(const Statement& statement, const std::shared_ptr<Scope>& around,
                          const Value& items, int depth);
  Result<Flow> run_if(const Statement& statement);
  Result<void> run_set_block(const Statement& statement);
  Result<void> run_filter(const Statement& statement);
  Result<Flow> run_with(const Statement& statement);
  Result<void> run_call(const Statement& statement);
  Value macro_of(const Statement& statement);
  Result<Value> run_macro(const Statement& macro, const std::shared_ptr<Scope>& around,
                          Arguments arguments);
  Result<void> bind(const Statement& macro, Arguments& arguments);
  Result<void> bind_rest(const Statement& macro, Arguments& arguments);
  Result<std::string> captured(const Body& body);
  Result<void> write(std::string_view text);
  Result<void> assign(const Target& target, Value value);
  Result<void> set(std::string_view name, Value value);

  Result<Value> evaluate(const Expression& expression);
  Result<Value> look_up(std::string_view name);
  Result<std::vector<Value>> evaluate_parts(const Expression& expression, std::size_t from);
  Result<Value> evaluate_dict(const Expression& expression);
  Result<Value> evaluate_slice(const Expression& expression);
  Result<Value> evaluate_filter(const Expression& expression);
  Result<Value> evaluate_test(const Expression& expression);
  Result<Value> evaluate_sign(const Expression& expression);
  Result<Value> evaluate_compare(const Expression& expression);
  Result<Value> evaluate_concat(const Expression& expression);
  Result<Value> evaluate_logic(const Expression& expression);
  Result<Value> evaluate_choice(const Expression& expression);
  Result<Value> evaluate_call(const Expression& expression, const Value* caller = nullptr);
  Result<void> add_arguments(const Expression& expression, Arguments& arguments);

  Budget& budget_;
  const std::tm& now_;
  std::shared_ptr<Scope> scope_;
  std::string* out_ = nullptr;
  const Value* block_ = nullptr;  // what the innermost filter of a block goes over
  int line_ = 1;
  std::vector<std::unique_ptr<Namespace>> namespaces_;
  std::vector<std::shared_ptr<Scope>> kept_;  // scopes that macros hold
};

}  // namespace requant::jinja
