#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/check.h"
#include "engine/engine_data.h"

namespace requant {

// Versions of an engine, one after the other, that give the same verdict.
struct VersionSpan {
  std::string since;
  std::string until;
  Verdict verdict = Verdict::kUnknown;
  std::string reason;  // why not, of the newest of them; empty: yes
};
std::string to_text(const VersionSpan& span);  // "0.8.0 to 0.29.0"

struct EngineRow {
  std::string engine;
  std::vector<VersionSpan> spans;  // oldest first
};

// What else is known of the checkpoint on that engine: may turn a verdict, and then says why.
using SecondOpinion = std::function<std::string(const EngineData&, Verdict&)>;

// Every version of one engine, each by itself. kUsage for an engine that is not known.
Result<EngineRow> judge_versions(const Subject& subject, const std::string& engine,
                                 const Device& device);
// Every engine and version that is known.
Result<std::vector<EngineRow>> judge_everywhere(const Subject& subject, const Device& device);

// Neighbours of one verdict put together, after the second opinion.
Result<EngineRow> summed_up(const EngineRow& row, const SecondOpinion& opinion);

}  // namespace requant
