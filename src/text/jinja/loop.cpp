#include "text/jinja/loop.h"

#include <fmt/format.h>

#include "base/text.h"
#include "text/jinja/builtin.h"
#include "text/jinja/renderer.h"

namespace requant::jinja {
namespace {

Result<Value> cycle(const Bound& arguments) {
  const auto& values = arguments.rest().positional;
  if (values.empty()) return corrupt("loop.cycle without values");
  return values[arguments[0].loop().at % values.size()];
}

Result<Value> changed(const Bound& arguments) {
  const Loop& loop = arguments[0].loop();
  RQ_TRY(Value values,
         sequence_value(arguments.budget(), Kind::kTuple, arguments.rest().positional));
  if (loop.last_changed) {
    RQ_TRY(const bool same, equal(arguments.budget(), *loop.last_changed, values));
    if (same) return Value::boolean(false);
  }
  loop.last_changed = std::move(values);
  return Value::boolean(true);
}

constexpr Builtin kCycle = {"cycle", "loop *", 1, cycle};
constexpr Builtin kChanged = {"changed", "loop *", 1, changed};

}  // namespace

Result<Value> loop_attribute(const Value& value, std::string_view name) {
  const Loop& loop = value.loop();
  const auto& items = loop.items.items();
  const auto at = static_cast<std::int64_t>(loop.at);
  if (name == "index") return Value::integer(at + 1);
  if (name == "index0") return Value::integer(at);
  if (name == "revindex") return Value::integer(loop.length() - at);
  if (name == "revindex0") return Value::integer(loop.length() - at - 1);
  if (name == "first") return Value::boolean(at == 0);
  if (name == "last") return Value::boolean(at + 1 >= loop.length());
  if (name == "length") return Value::integer(loop.length());
  if (name == "depth") return Value::integer(loop.depth);
  if (name == "depth0") return Value::integer(loop.depth - 1);
  if (name == "previtem") {
    return loop.at > 0 ? items[loop.at - 1] : Value::undefined("there is no previous item");
  }
  if (name == "nextitem") {
    return loop.at + 1 < items.size() ? items[loop.at + 1]
                                      : Value::undefined("there is no next item");
  }
  if (name == "cycle") return method_value(value, kCycle);
  if (name == "changed") return method_value(value, kChanged);
  if (name.starts_with("__")) {
    return refused("access to the attribute " + in_quotes(name) + " is unsafe");
  }
  return Value::undefined(fmt::format("'loop' has no attribute {}", in_quotes(name)));
}

}  // namespace requant::jinja
