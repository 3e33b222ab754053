#pragma once

#include "text/jinja/builtin.h"

namespace requant::jinja {

// str.format().
Result<Value> brace_format(const Bound& arguments);

}  // namespace requant::jinja
