#include "rule/run.h"

#include <utility>

namespace requant {

Finding& RuleRun::add(std::string where, std::string message) {
  Finding& finding = findings_.emplace_back();
  finding.severity = rule_->severity;
  finding.rule = rule_->id;
  finding.where = std::move(where);
  finding.message = std::move(message);
  finding.why = rule_->why;
  finding.repair = rule_->repair;
  return finding;
}

const ScaleTable& RuleRun::scales() {
  if (!scales_) {
    auto table = ScaleTable::read(
        checkpoint_, options_.depth == Depth::kCodes ? UINT64_MAX : options_.scale_bytes);
    if (!table) failure_ = table.error();
    scales_ = table ? *std::move(table) : ScaleTable();
  }
  return *scales_;
}

const CodeScan& RuleRun::codes() {
  if (!codes_) {
    auto scan = CodeScan::read(checkpoint_);
    if (!scan) failure_ = scan.error();
    codes_ = scan ? *std::move(scan) : CodeScan();
  }
  return *codes_;
}

Result<std::vector<Finding>> RuleRun::take() && {
  if (failure_) return *std::move(failure_);
  return std::move(findings_);
}

Result<std::vector<Finding>> run_rules(const Checkpoint& checkpoint, const RuleOptions& options) {
  RuleRun run(checkpoint, options);
  for (const RuleFamily* family : rule_families()) {
    if (!options.only.empty() && family->name != options.only) continue;
    for (const Rule& rule : family->rules) {
      if (rule.look == nullptr || rule.depth > options.depth) continue;
      run.rule_ = &rule;
      rule.look(run);
    }
  }
  return std::move(run).take();
}

}  // namespace requant
