#pragma once

#include <string_view>

#include "base/result.h"
#include "text/jinja/node.h"

namespace requant::jinja {

// kCorrupt for what is no template, kRefused for what is not supported or too large; the message
// begins with the line. REQUIRES: valid UTF-8.
Result<Body> parse(std::string_view source);

}  // namespace requant::jinja
