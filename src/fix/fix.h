#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/finding.h"
#include "base/result.h"
#include "fix/repair.h"

namespace requant {

// What would be changed in a folder: metadata only, no tensor.
struct FixPlan {
  std::vector<Edit> edits;
  std::map<std::string, std::string> files;  // to be written, by name
  std::vector<std::string> removed;
  std::vector<Finding> answered;  // what the edits answer
  std::vector<Finding> left;      // what they do not
};

// kUsage for what is no folder; the errors of opening but for those that a new index mends.
Result<FixPlan> plan_fix(const std::filesystem::path& folder, const FixOptions& options);

// A new folder with the plan's files, and everything else as hard links, or as copies where these
// are not possible. It appears complete or not at all.
Result<void> write_fixed(const std::filesystem::path& folder, const FixPlan& plan,
                         const std::filesystem::path& out);

// The plan's files in the folder itself; what they replace is kept as NAME.orig, numbered where
// there is one.
Result<void> fix_in_place(const std::filesystem::path& folder, const FixPlan& plan);

}  // namespace requant
