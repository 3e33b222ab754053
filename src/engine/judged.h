#pragma once

#include <string>
#include <vector>

#include "engine/evaluate.h"

namespace requant {

// A checkpoint as one version of an engine sees it, and what follows.
struct Judged {
  Device device;
  Situation situation;
  std::vector<Judgement> judgements;
  Verdict verdict = Verdict::kUnknown;
  // The lowest capability that gives a yes, where no device was stated; 0: not looked for.
  int lowest = 0;
  // What the processor has to have, where none was stated and not every one will do.
  std::string cpu = {};
};

// `device.capability` must be stated, or the platform have none.
Judged judge(const EngineData& engine, const Subject& subject, const Device& device);

// On the device; on the best one where none is stated, and then which is the lowest that serves.
Judged judge_as_stated(const EngineData& engine, const Subject& subject, const Device& device);

// The same without looking for the lowest.
Judged judge_briefly(const EngineData& engine, const Subject& subject, const Device& device);

}  // namespace requant
