#pragma once

#include "arch/architecture.h"
#include "base/json.h"
#include "checkpoint/tied_head.h"
#include "plan/plan.h"

namespace requant {

// The source's config.json with quantization_config at the top level, and nowhere else; everything
// else stays as it was, but for the dtype of a model that is no longer quantised.
Result<Json> edit_config(const Checkpoint& checkpoint, const Plan& plan);

// The files besides config.json that the target's readers want, as the plan's weights need them.
Result<std::map<std::string, Json>> side_documents(const Checkpoint& checkpoint, const Plan& plan);

}  // namespace requant
