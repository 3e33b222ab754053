#pragma once

#include <filesystem>
#include <vector>

#include "plan/plan.h"

namespace requant {

// What becomes of the files beside the weights, but for config.json: those that readers of a
// checkpoint folder want are copied, stale ones and other weight formats are left behind. With
// `tokenizer_from`, tokenizer and processor files come from there.
Result<std::vector<SideFile>> plan_side_files(const Checkpoint& checkpoint,
                                              const std::filesystem::path& tokenizer_from);

}  // namespace requant
