#include <algorithm>

#include "plan/output_files.h"

namespace requant {
namespace {

void add_to_summary(const LossTaken& taken, const std::string& module,
                    std::vector<LossSummary>& losses) {
  auto found = std::ranges::find(losses, taken.loss, &LossSummary::loss);
  if (found == losses.end()) {
    losses.push_back({.loss = taken.loss, .worst = module});
    found = losses.end() - 1;
  }
  ++found->weights;
  found->codes += taken.codes;
  found->scales += taken.scales;
  if (taken.max_relative <= found->max_relative) return;
  found->max_relative = taken.max_relative;
  found->worst = module;
}

}  // namespace

// Losses of weights, and of tensors that were left out. What was not quantised before loses nothing
// that was asked for.
void summarise(const Plan& plan, RunReport& report) {
  for (const WeightStep& step : plan.weights) {
    const bool repaired = !report.tensors[step.outputs.front().second].repaired_rows.empty();
    report.repaired_weights += repaired ? 1 : 0;
  }
  for (const WeightStep& step : plan.weights) {
    if (step.weight->scheme.is_dense()) continue;
    for (const LossTaken& taken : report.tensors[step.outputs.front().second].losses) {
      add_to_summary(taken, step.weight->module, report.losses);
    }
  }
  for (const PlannedLoss& planned : plan.loss_list) {
    const bool told =
        std::ranges::find(report.losses, planned.loss, &LossSummary::loss) != report.losses.end();
    if (!planned.certain || told) continue;
    report.losses.push_back(
        {.loss = planned.loss, .weights = planned.weights, .worst = planned.first});
  }
  std::ranges::sort(report.losses, {}, &LossSummary::loss);
}

}  // namespace requant
