#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "plan/run_plan.h"

namespace requant {

enum class PairStatus : std::uint8_t {
  kExact,
  kRounded,   // one side is unquantised and holds the other's exact values, rounded once
  kRepaired,  // equal once rows of scale 0 are repaired as convert repairs them
  kPadded,    // equal but for zeros that the receipt of one side names
  kTied,      // left out on one side, where the config ties it to the embedding
  kDiffers,
  kOnlyInFirst,
  kOnlyInSecond,
};
std::string_view name_of(PairStatus status);
// False for those that make two checkpoints different.
bool is_match(PairStatus status);

// A weight by its module or any other tensor by its name, as both checkpoints have it.
struct PairReport {
  std::string name;
  PairStatus status = PairStatus::kExact;
  std::uint64_t elements = 0;  // whose values differ
  double max_relative = 0;     // largest difference over the first side's largest magnitude
  std::uint64_t max_ulp = 0;   // in F32
  std::string first;           // where and how they differ first
  std::vector<std::int64_t> repaired_rows;
};

// Compares every number of two checkpoints, whatever their dialects and containers, and gives one
// report a pair in the natural order of names. Reads pieces; never holds more than a few weights.
Result<std::vector<PairReport>> verify(const Checkpoint& first, const Checkpoint& second,
                                       const ProgressCall& progress);

}  // namespace requant
