#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/output_folder.h"
#include "plan/plan.h"

namespace requant {

// Bytes of weight files written, of those planned.
using ProgressCall = std::function<void(std::uint64_t done, std::uint64_t total)>;

// A line about what is done with what an earlier run left.
using NoticeCall = std::function<void(const std::string& line)>;

struct RunCalls {
  ProgressCall progress = {};
  NoticeCall notice = {};
  std::string options = {};  // what decides the result besides the plan: another text, another run
};

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
  bool was_there = false;           // a whole earlier run had made the same
};

// Writes everything that the plan says, and the receipt, into the folder's staging place,
// config.json last, and opens the result to see that it reads back as planned. The caller commits
// the folder. Weight files that an earlier run of the same had finished are not made again; after
// an error that another run may not meet, those of this run stay for the next.
//   kRefused  an unsound weight;  kInterrupted  a signal;  kResource  disk and memory.
Result<RunReport> run_plan(const Checkpoint& checkpoint, const Plan& plan, OutputFolder& folder,
                           const RunCalls& calls = {});

// The report of the run that made `result`, where that holds what this plan would write: the same
// receipt, of which the hashes of source and result were compared with every byte of both. Nothing
// where it does not.
Result<std::optional<RunReport>> find_result(const Checkpoint& checkpoint, const Plan& plan,
                                             const std::filesystem::path& result);

}  // namespace requant
