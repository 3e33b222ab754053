#pragma once

#include "arch/dimension.h"
#include "arch/family.h"
#include "base/json.h"

namespace requant {

// Positive integers of `config`, with the family's defaults for keys that are missing. Both must
// outlive the result.
KeyValue key_values(const Family& family, const Json& config);

}  // namespace requant
