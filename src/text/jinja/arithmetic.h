#pragma once

#include <string_view>

#include "text/jinja/value.h"

namespace requant::jinja {

class Renderer;

// a sign b for + - * / // % **, of numbers, texts and lists. kRefused beyond 64 bits.
Result<Value> calculate(Renderer& renderer, std::string_view sign, const Value& a, const Value& b);
// -value or +value.
Result<Value> signed_number(const Value& value, bool negative);

}  // namespace requant::jinja
