#pragma once

#include <cstdint>

#include "engine/check.h"

namespace requant {

// What one of the GPUs that share a model has to hold. Not counted: activations, graphs, the
// engine's own buffers, and what a sliding window or a quantised cache of the engine saves.
struct MemoryEstimate {
  std::uint64_t weight_bytes = 0;
  bool cache_known = false;
  std::uint64_t cache_bytes = 0;  // keys and values of one sequence of `context` tokens
  std::int64_t context = 0;
};
MemoryEstimate memory_of(const Subject& subject, int tensor_parallel, std::int64_t context);

}  // namespace requant
