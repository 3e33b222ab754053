#pragma once

#include "text/jinja/value.h"

namespace requant::jinja {

class Renderer;

// format % values, as Python's printf-style formatting. REQUIRES: `format` is a text.
Result<Value> percent_format(Renderer& renderer, const Value& format, const Value& values);

}  // namespace requant::jinja
