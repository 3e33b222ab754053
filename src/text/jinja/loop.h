#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "text/jinja/callable.h"
#include "text/jinja/value.h"

namespace requant::jinja {

// `loop` inside of a for.
struct Loop {
  Value items;  // a value that has items()
  std::size_t at = 0;
  int depth = 1;
  mutable std::optional<Value> last_changed;
  // Of a recursive loop: its body over other items.
  std::function<Result<Value>(Renderer&, const Value& items)> again;

  std::int64_t length() const { return static_cast<std::int64_t>(items.items().size()); }
};

// loop.index and the like; undefined for a name that a loop has not.
// REQUIRES: `loop` is one.
Result<Value> loop_attribute(const Value& loop, std::string_view name);

}  // namespace requant::jinja
