#pragma once

#include <string>
#include <string_view>

#include "arch/dimension.h"
#include "arch/family.h"
#include "base/json.h"

namespace requant {

// What a kind's check may look at besides the value itself.
struct KindContext {
  const ConfigRow& row;
  const KeyValue& value_of;  // the other keys of the same config, defaults included
};

// What the value should have been ("a positive integer"), or nothing when it is fine. A kind that
// does not exist is our own mistake: the program stops and names it.
std::string expected_instead(const Json& value, const KindContext& context);

// "float16", "torch.bfloat16", "auto": a dtype that config.json may name.
bool known_dtype_name(std::string_view name);

}  // namespace requant
