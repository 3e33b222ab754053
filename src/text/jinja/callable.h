#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/value.h"

namespace requant::jinja {

class Renderer;

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

// A function, a macro, or a method with the value that it is of.
struct Callable {
  std::string name;
  std::function<Result<Value>(Renderer&, Arguments)> call;
};

}  // namespace requant::jinja
