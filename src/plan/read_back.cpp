#include "plan/read_back.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/text.h"

namespace requant {
namespace {

// Layouts that always store zero points do not show that a weight was symmetric.
bool reads_as(const Scheme& found, Scheme planned) {
  if (found == planned) return true;
  if (planned.offset != Offset::kNone) return false;
  planned.offset = Offset::kZero;
  return found == planned;
}

Result<void> check_weights(const Plan& plan, const Checkpoint& result) {
  std::map<std::string_view, const Weight*> found;
  for (const Weight& weight : result.weights()) found.emplace(weight.module, &weight);
  for (const Weight& planned : plan.target_weights) {
    const auto weight = found.find(planned.module);
    if (weight == found.end()) {
      return corrupt(printable(planned.module) + ": reads back as not quantised");
    }
    if (reads_as(weight->second->scheme, planned.scheme)) continue;
    return corrupt(fmt::format("{}: reads back as {}, expected {}", printable(planned.module),
                               describe(weight->second->scheme), describe(planned.scheme)));
  }
  if (found.size() == plan.target_weights.size()) return {};
  return corrupt(fmt::format("{} quantised weights read back, expected {}", found.size(),
                             plan.target_weights.size()));
}

// Both name a place, one of the source's and one of the result's.
bool had_before(const Checkpoint& source, const Finding& finding) {
  return std::ranges::any_of(source.findings(), [&](const Finding& old) {
    return old.rule == finding.rule && old.message == finding.message;
  });
}

}  // namespace

Result<void> check_read_back(const Checkpoint& source, const Plan& plan,
                             const std::filesystem::path& folder) {
  RQ_TRY_IN(const Checkpoint result, Checkpoint::open(folder), "the result");
  RQ_CHECK_IN(check_weights(plan, result), "the result");
  const bool may_be_dense = plan.target_weights.empty();
  if (!may_be_dense && &result.dialect() != plan.target.dialect) {
    return corrupt(fmt::format("the result reads back as {}, expected {}", result.dialect().name,
                               plan.target.dialect->name));
  }
  for (const Finding& finding : result.findings()) {
    if (finding.severity != Severity::kError || had_before(source, finding)) continue;
    return corrupt(fmt::format("the result: {}: {}", finding.where, finding.message));
  }
  return {};
}

}  // namespace requant
