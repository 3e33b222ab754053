#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "requant/result.h"

namespace requant {

struct ConvertOptions {
  std::filesystem::path input;
  std::filesystem::path output;
  // One of these two: "DIALECT[:SCHEME]", or "ENGINE@VERSION" for the form of least loss that the
  // engine accepts.
  std::string to;
  std::string for_engine;
  // With for_engine: the machine that serves, as in CheckOptions.
  int capability = 0;
  std::string cpu;
  std::vector<std::string> allow;  // names of losses, or "all"
  // "split-fused", "merge-fused": q/k/v and gate/up, each or in one matrix; "split-experts",
  // "merge-experts": each its own, or in one tensor. Else as the input has them, unless the target
  // cannot.
  std::vector<std::string> layout;
  // Sizes of the MLPs are padded with zeros until they divide among so many ranks; 0: they stay.
  int pad_for_tp = 0;
  std::uint64_t max_shard_bytes = 5'000'000'000;
  std::filesystem::path tokenizer_from;  // empty: the input's own tokenizer and processor files
  // One scale for weights that engines load as one matrix (q/k/v, gate/up), where the result has
  // one scale for a tensor; what takes over another's scale is rounded to it, which needs leave.
  bool harmonise_fused = false;
  // ConvertPlan::tensors is wanted; on a large model it takes more memory than the plan itself.
  bool lists_tensors = false;
  bool overwrite = false;  // an earlier output of requant may be replaced
  int threads = 0;         // 0: as many as there are CPUs
  // Told a line about what an earlier run left: that it is used, or why it is not.
  std::function<void(const std::string& line)> notice = {};
};

// A tensor of the output.
struct ConvertTensor {
  std::string name;
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::uint64_t bytes = 0;
  std::string file;
  std::string step;  // "copy", "rename", "transcode", "decode", "regroup"
  std::vector<std::string> sources;
};

struct ConvertLoss {
  std::string loss;  // "code-rounding"
  std::string meaning;
  std::string bound;
  std::uint64_t weights = 0;
  std::string first;  // a weight that it happens to
  bool allowed = false;
  bool certain = true;  // false: only where the numbers do not fit, which reading them tells
};

struct ConvertFile {
  std::string name;
  std::string action;  // "copy", "write", "drop"
  std::string reason;
};

// A form that was considered for an engine.
struct ConvertAlternative {
  std::string form;                          // "as it is", "awq", "compressed-tensors:fp8"
  std::vector<std::string> losses;           // names
  std::vector<std::string> possible_losses;  // only where the numbers do not fit
  bool is_looked_at = true;                  // false: a form before it loses nothing
  bool is_taken = false;
  std::string why;  // it is taken, or is not
};

// A size of config.json that is padded.
struct ConvertPadding {
  std::string key;
  std::int64_t from = 0;
  std::int64_t to = 0;
};

struct ConvertShard {
  std::string file;
  std::uint64_t bytes = 0;
  std::uint64_t tensors = 0;
};

// The tensors that one kind of step makes.
struct ConvertStep {
  std::string step;  // as in ConvertTensor
  std::uint64_t tensors = 0;
  std::uint64_t bytes = 0;
};

// What a conversion would do, from headers alone.
struct ConvertPlan {
  std::string from;
  std::string to;
  std::vector<ConvertStep> steps;      // by name
  std::vector<ConvertTensor> tensors;  // with ConvertOptions::lists_tensors only
  std::vector<std::pair<std::string, std::string>> dropped;  // tensors, and why
  std::vector<ConvertShard> shards;
  std::vector<ConvertFile> files;
  std::vector<ConvertLoss> losses;
  std::vector<ConvertAlternative> alternatives;  // with ConvertOptions::for_engine
  std::vector<ConvertPadding> padded;
  std::uint64_t repairable_weights = 0;  // where rows of scale 0 are looked for, and repaired
  std::uint64_t output_bytes = 0;        // of the weight files
  std::uint64_t peak_memory_bytes = 0;   // an upper bound
  bool config_changes = true;

  bool is_allowed() const;  // every certain loss has leave
};

struct ConvertRepair {
  std::string tensor;
  std::uint64_t rows = 0;
};

// What a loss that had leave did.
struct ConvertLossTaken {
  std::string loss;  // "scale-rounding"
  std::uint64_t weights = 0;
  std::uint64_t codes = 0;   // whose value changed
  std::uint64_t scales = 0;  // that changed
  double max_relative = 0;   // the largest change of a value, over its weight's largest magnitude
  std::string worst;         // the weight of that change
};

struct ConvertReport {
  ConvertPlan plan;
  std::uint64_t repaired_weights = 0;
  std::vector<ConvertRepair> repairs;
  std::vector<ConvertLossTaken> losses;  // none: every weight has the source's values
  // The output was there already, whole: every byte of it and of the input was compared with its
  // receipt, and nothing was written.
  bool was_there = false;
};

// Bytes of weights done, of all.
using Progress = std::function<void(std::uint64_t done, std::uint64_t total)>;

// kRefused where the target cannot hold a weight. A loss without leave is no error here.
Result<ConvertPlan> plan_conversion(const ConvertOptions& options);

// Writes the output, which appears complete or not at all. Weight files that an earlier run of the
// same had finished before it was killed, interrupted or out of disk are taken over.
//   kRefused      a loss without leave, an unsound weight, an output that is not ours
//   kResource     disk, memory, another run on the same output; the same call goes on later
//   kInterrupted  a signal; likewise
Result<ConvertReport> convert(const ConvertOptions& options, const Progress& progress = {});

// "schema": "requant/plan/1" and "requant/convert/1".
std::string to_json(const ConvertPlan& plan);
std::string to_json(const ConvertReport& report);

// From now on SIGINT and SIGTERM make convert(), quantize(), fix() and verify() end with
// kInterrupted, or end the process with 130 or 143 where that takes more than 0.8 s.
void stop_on_signals();

// SIGINT or SIGTERM, where one came; else 0.
int stop_signal();

}  // namespace requant
