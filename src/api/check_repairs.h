#pragma once

#include <vector>

#include "checkpoint/checkpoint.h"
#include "requant/check.h"

namespace requant {

// What would make a yes of the result's no, the cheapest first: edits of config.json, a conversion
// that loses nothing, flags, other versions of the engine, a conversion that loses something.
Result<std::vector<CheckRepair>> repairs_of(const Checkpoint& checkpoint, const CheckResult& result,
                                            const CheckOptions& options);

}  // namespace requant
