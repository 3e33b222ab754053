#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/output_folder.h"
#include "plan/plan.h"

namespace requant {

// Bytes of weight files written, of those planned.
using ProgressCall = std::function<void(std::uint64_t done, std::uint64_t total)>;

// What was done for one tensor of the output.
struct TensorRecord {
  std::string sha256;
  std::vector<std::string> source_sha256;  // of OutputTensor::sources, in that order
  std::vector<std::int64_t> repaired_rows;
  std::vector<LossTaken> losses;
  Difference difference;  // of the weight's values, where a loss changed them
};

// What one kind of loss did to all weights.
struct LossSummary {
  Loss loss = Loss::kCodeRounding;
  std::uint64_t weights = 0;
  std::uint64_t codes = 0;   // whose value changed
  std::uint64_t scales = 0;  // that changed
  double max_relative = 0;   // of the weight that changed most, over its largest magnitude
  std::string worst;         // that weight
};

struct FileRecord {
  std::string name;
  std::string sha256;
};

struct RunReport {
  std::vector<TensorRecord> tensors;  // by index of Plan::outputs
  std::vector<FileRecord> files;      // config.json and the side files
  std::uint64_t repaired_weights = 0;
  std::vector<LossSummary> losses;  // taken, the lightest first
};

// Writes everything that the plan says, and the receipt, into the folder's staging place,
// config.json last, and opens the result to see that it reads back as planned. The caller commits
// the folder.
//   kRefused  an unsound weight;  kInterrupted  a signal;  kResource  disk and memory.
Result<RunReport> run_plan(const Checkpoint& checkpoint, const Plan& plan,
                           const OutputFolder& folder, const ProgressCall& progress);

}  // namespace requant
