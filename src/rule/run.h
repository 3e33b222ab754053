#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "rule/code_scan.h"
#include "rule/rule.h"
#include "rule/scale_table.h"

namespace requant {

// What the rules need to know of the engine that is to load the checkpoint.
struct EngineNeeds {
  std::string name;                       // "vllm 0.13.0"
  std::optional<int> transformers_major;  // of the transformers that it is installed with
};

struct RuleOptions {
  Depth depth = Depth::kScales;
  std::optional<EngineNeeds> engine = {};
  std::uint64_t scale_bytes = ScaleTable::kBytes;  // to read at most, unless every byte is read
  std::string_view only = {};                      // the one family to ask; empty: all
};

// One look at a checkpoint by all rules.
class RuleRun {
 public:
  RuleRun(const Checkpoint& checkpoint, RuleOptions options)
      : checkpoint_(checkpoint), options_(std::move(options)) {}

  const Checkpoint& checkpoint() const { return checkpoint_; }
  const std::optional<EngineNeeds>& engine() const { return options_.engine; }

  // A finding of the rule that is looking, with its severity, why and repair; change what differs.
  Finding& add(std::string where, std::string message);

  // Every scale, summed up; read on first use.
  const ScaleTable& scales();
  // Every code, summed up; read on first use.
  const CodeScan& codes();

  Result<std::vector<Finding>> take() &&;

 private:
  friend Result<std::vector<Finding>> run_rules(const Checkpoint&, const RuleOptions&);

  const Checkpoint& checkpoint_;
  RuleOptions options_;
  const Rule* rule_ = nullptr;
  std::optional<ScaleTable> scales_;
  std::optional<CodeScan> codes_;
  std::optional<Error> failure_;  // of reading
  std::vector<Finding> findings_;
};

// The findings of all rules that look for themselves; those that are seen while a checkpoint is
// opened are among its own findings. Fails when a file cannot be read.
Result<std::vector<Finding>> run_rules(const Checkpoint& checkpoint,
                                       const RuleOptions& options = {});

}  // namespace requant
