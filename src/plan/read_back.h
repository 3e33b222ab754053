#pragma once

#include <filesystem>

#include "plan/plan.h"

namespace requant {

// Opens the written folder as any reader would: the same weights with the schemes planned, in the
// dialect planned, and no error that the source did not have. Above all, that the config covers
// just the weights that are quantised.
Result<void> check_read_back(const Checkpoint& source, const Plan& plan,
                             const std::filesystem::path& folder);

}  // namespace requant
