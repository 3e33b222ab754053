#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/callable.h"
#include "text/jinja/value.h"

namespace requant::jinja {

// The arguments of a call, by parameter.
class Bound {
 public:
  Bound(Renderer& renderer, std::string_view name, std::vector<std::optional<Value>> values,
        Arguments rest)
      : renderer_(renderer), name_(name), values_(std::move(values)), rest_(std::move(rest)) {}

  // nullptr where the call leaves it out.
  const Value* get(std::size_t parameter) const {
    return values_[parameter] ? &*values_[parameter] : nullptr;
  }
  // REQUIRES: a parameter that has to be given.
  const Value& operator[](std::size_t parameter) const { return *values_[parameter]; }
  const Arguments& rest() const { return rest_; }
  Renderer& renderer() const { return renderer_; }
  Budget& budget() const;
  std::string_view name() const { return name_; }

  bool flag(std::size_t parameter, bool otherwise) const;
  Result<std::int64_t> integer(std::size_t parameter, std::int64_t otherwise) const;
  // As str() has it.
  Result<std::string> str(std::size_t parameter, std::string_view otherwise = {}) const;
  // kCorrupt for what is no text.
  Result<std::string> text(std::size_t parameter, std::string_view otherwise = {}) const;

 private:
  Renderer& renderer_;
  std::string_view name_;
  std::vector<std::optional<Value>> values_;
  Arguments rest_;
};

// A filter, a test, a method or a function.
struct Builtin {
  std::string_view name;
  std::string_view parameters;  // "value width"; "*" at the end: any others as well
  std::size_t required;
  Result<Value> (*call)(const Bound& arguments);
};

Result<Value> invoke(Renderer& renderer, const Builtin& builtin, Arguments arguments);

// nullptr where there is none of that name. `object` decides which methods there are.
const Builtin* find_filter(std::string_view name);
const Builtin* find_test(std::string_view name);
const Builtin* find_function(std::string_view name);
const Builtin* find_method(const Value& object, std::string_view name);
// Methods that would change their object, which a template may not do.
bool changes_its_object(const Value& object, std::string_view name);

Value function_value(const Builtin& function);
Value method_value(const Value& object, const Builtin& method);

// One table a file.
std::span<const Builtin> text_filters();
std::span<const Builtin> number_filters();
std::span<const Builtin> list_filters();
std::span<const Builtin> order_filters();
std::span<const Builtin> choice_filters();
std::span<const Builtin> tests();
std::span<const Builtin> functions();
std::span<const Builtin> text_methods();
std::span<const Builtin> text_search_methods();
std::span<const Builtin> dict_methods();
std::span<const Builtin> list_methods();

}  // namespace requant::jinja
