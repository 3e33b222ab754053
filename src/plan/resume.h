#pragma once

#include <vector>

#include "plan/journal.h"

namespace requant {

// What an earlier run left that this one need not do again.
struct Resumed {
  Journal journal;
  std::vector<bool> shards;  // by number: it is there, whole
  std::uint64_t bytes = 0;   // of the tensors in them
};

// Reads the journal of an earlier run of the same conversion, if there is one, and every byte of
// the weight files that it lists: those that are as it says stay, with their records in `records`,
// all else in the folder's staging place goes. Then the journal of this run begins.
Result<Resumed> resume(const Plan& plan, const Fingerprint& fingerprint, const OutputFolder& folder,
                       const RunCalls& calls, std::vector<TensorRecord>& records);

}  // namespace requant
