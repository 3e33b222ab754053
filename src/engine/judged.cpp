#include "engine/judged.h"

#include <set>
#include <utility>

namespace requant {

namespace {

// What most people serve on: the report is for it when it loads there.
constexpr int kUsualCapability = 90;

// Capabilities that are tried where none is stated: those that any row of the data asks for, and
// the usual ones.
std::set<int> capabilities_of(const EngineData& engine) {
  std::set<int> out = {70, 75, 80, 86, 89, 90, 100, 120};
  if (const Json* methods = engine.json.find("methods")) {
    for (const auto& [name, method] : methods->members()) {
      const int least = int_of(method, "min_capability");
      if (least >= 50) out.insert(least);
    }
  }
  return out;
}

void judge_again(Judged& judged, int capability) {
  judged.device.capability = capability;
  restate(judged.situation, judged.device);
  judged.judgements = evaluate(judged.situation);
  judged.verdict = verdict_of(judged.judgements);
}

bool is_stated(const EngineData& engine, const Device& device) {
  return device.capability != 0 || engine.capability != 0;
}

}  // namespace

Judged judge(const EngineData& engine, const Subject& subject, const Device& device) {
  Judged out{.device = device, .situation = describe(engine, subject, device), .judgements = {}};
  out.judgements = evaluate(out.situation);
  out.verdict = verdict_of(out.judgements);
  return out;
}

Judged judge_as_stated(const EngineData& engine, const Subject& subject, const Device& device) {
  if (is_stated(engine, device)) return judge(engine, subject, device);
  Device usual = device;
  usual.capability = kUsualCapability;
  Judged best = judge(engine, subject, usual);
  Judged other = best;
  for (const int capability : capabilities_of(engine)) {
    judge_again(other, capability);
    if (other.verdict != Verdict::kYes) continue;
    if (best.verdict != Verdict::kYes) best = std::move(other);
    best.lowest = capability;
    break;
  }
  return best;
}

Judged judge_briefly(const EngineData& engine, const Subject& subject, const Device& device) {
  if (is_stated(engine, device)) return judge(engine, subject, device);
  Device usual = device;
  usual.capability = kUsualCapability;
  Judged best = judge(engine, subject, usual);
  for (const int capability : {100, 80}) {
    if (best.verdict == Verdict::kYes) break;
    Judged other = best;
    judge_again(other, capability);
    if (other.verdict == Verdict::kYes) best = std::move(other);
  }
  return best;
}

}  // namespace requant
