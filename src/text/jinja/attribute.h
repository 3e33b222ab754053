#pragma once

#include <string_view>

#include "text/jinja/value.h"

// What a value has: attributes and methods by name, items by key. What it has not is undefined, as
// in Jinja; attributes with "__" in front are refused.
namespace requant::jinja {

class Renderer;

// object.name
Result<Value> attribute_of(Renderer& renderer, const Value& object, std::string_view name);
// object[key]
Result<Value> item_of(Renderer& renderer, const Value& object, const Value& key);
// object[bounds[0]:bounds[1]:bounds[2]], each an integer or None
Result<Value> slice_of(Renderer& renderer, const Value& object, const Value (&bounds)[3]);
// "a.b.0" from item to item, or one integer; None for the object itself. What is undefined on the
// way is `otherwise` where that is given.
Result<Value> along_path(Renderer& renderer, Value object, const Value& path,
                         const Value* otherwise = nullptr);

}  // namespace requant::jinja
