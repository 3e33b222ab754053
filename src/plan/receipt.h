#pragma once

#include <string>

#include "plan/run_plan.h"

namespace requant {

inline constexpr std::string_view kReceiptName = "requant.json";

// requant.json: what every tensor was made from and what it became. The same bytes for the same
// conversion, whenever and wherever it runs.
std::string receipt(const Checkpoint& checkpoint, const Plan& plan, const RunReport& report);

// README.md: the front matter of the source's card with what changed, and a description.
Result<std::string> model_card(const Checkpoint& checkpoint, const Plan& plan,
                               const RunReport& report);

}  // namespace requant
