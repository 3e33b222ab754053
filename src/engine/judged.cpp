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

void judge_again(Judged& judged, const Device& device) {
  judged.device = device;
  restate(judged.situation, judged.device);
  judged.judgements = evaluate(judged.situation);
  judged.verdict = verdict_of(judged.judgements);
}

void judge_again(Judged& judged, int capability) {
  Device device = judged.device;
  device.capability = capability;
  judge_again(judged, device);
}

bool is_stated(const EngineData& engine, const Device& device) {
  return device.capability != 0 || engine.capability != 0;
}

// Which processor serves is left open, and it is a processor that serves.
bool leaves_cpu_open(const EngineData& engine, const Device& device) {
  return engine.platform == "cpu" && device.cpu.empty();
}

// On a processor with AVX-512, as servers have; where it does not load there, on one with AMX.
Judged judge_on_usual_cpu(const EngineData& engine, const Subject& subject, Device device) {
  device.cpu = kUsualCpu;
  Judged best = judge(engine, subject, device);
  if (best.verdict == Verdict::kYes) return best;
  Judged other = best;
  device.cpu = "amx";
  judge_again(other, device);
  if (other.verdict != Verdict::kYes) return best;
  other.cpu = device.cpu;
  return other;
}

}  // namespace

Judged judge(const EngineData& engine, const Subject& subject, const Device& device) {
  Judged out{.device = device, .situation = describe(engine, subject, device), .judgements = {}};
  out.judgements = evaluate(out.situation);
  out.verdict = verdict_of(out.judgements);
  return out;
}

Judged judge_as_stated(const EngineData& engine, const Subject& subject, const Device& device) {
  if (leaves_cpu_open(engine, device)) {
    Judged best = judge_on_usual_cpu(engine, subject, device);
    if (best.verdict != Verdict::kYes || !best.cpu.empty()) return best;
    Judged other = best;
    Device least = best.device;
    least.cpu = "avx2";
    judge_again(other, least);
    if (other.verdict != Verdict::kYes) best.cpu = kUsualCpu;
    return best;
  }
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
  if (leaves_cpu_open(engine, device)) return judge_on_usual_cpu(engine, subject, device);
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
