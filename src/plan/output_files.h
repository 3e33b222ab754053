#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "plan/run_plan.h"

namespace requant {

// Fills in what follows from RunReport::tensors: repairs and losses.
void summarise(const Plan& plan, RunReport& report);

// A file beside the weights.
struct OutputFile {
  std::string name;
  std::filesystem::path from;  // copied from there; empty: `text`
  std::string text;
};

// Calls `write`, which gives the SHA-256 of the content, for each file beside the weights but
// config.json and the receipt, and notes them in the report.
using WriteCall = std::function<Result<std::string>(const OutputFile& file)>;
Result<void> for_each_file(const Checkpoint& checkpoint, const Plan& plan, RunReport& report,
                           const WriteCall& write);
void add_file(RunReport& report, FileRecord file);

// An unchanged config.json is the same bytes, a changed one spelt as the source spells it.
Result<std::string> config_text(const Checkpoint& checkpoint, const Plan& plan);

}  // namespace requant
