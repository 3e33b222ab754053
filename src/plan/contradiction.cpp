#include "plan/contradiction.h"

#include <fmt/format.h>

#include <algorithm>

namespace requant {
namespace {

bool is_contradiction(const Checkpoint& checkpoint, const Finding& finding) {
  if (finding.severity != Severity::kError) return false;
  // The tools that write and read such files use the zero points whatever the flag says.
  if (finding.rule == "gptq.sym-flag") return false;
  // Older writers state it in a file of its own.
  if (finding.rule == "config.no-quantization") {
    return !checkpoint.side().contains("quantize_config.json") &&
           !checkpoint.side().contains("quant_config.json");
  }
  return true;
}

}  // namespace

Result<void> check_contradictions(const Checkpoint& checkpoint, LossSet allowed) {
  if (allowed.has(Loss::kContradiction)) return {};
  const std::span<const Finding> findings = checkpoint.findings();
  const auto first = std::ranges::find_if(
      findings, [&](const Finding& finding) { return is_contradiction(checkpoint, finding); });
  if (first == findings.end()) return {};
  return refused(fmt::format(
      "{}{}{}; requant fix may mend that, convert --allow {} believes the tensors", first->where,
      first->where.empty() ? "" : ": ", first->message, name_of(Loss::kContradiction)));
}

}  // namespace requant
