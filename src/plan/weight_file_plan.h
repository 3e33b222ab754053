#pragma once

#include "dialect/weight_file.h"
#include "plan/plan.h"

namespace requant {

// Names the plan's one shard after the weight file and lays its tensors out (Plan::layout).
Result<void> lay_out_weight_file(const Checkpoint& checkpoint, const PlanRequest& request,
                                 const WeightFile& file, Plan& plan);

// Side files whose content the weight file has itself are not copied; licences are.
void drop_what_weight_file_says(Plan& plan);

}  // namespace requant
