#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>

#include "base/bytes.h"
#include "base/hash.h"
#include "plan/memory.h"
#include "plan/run_plan.h"
#include "plan/shard_set.h"

namespace requant {

// What the jobs of one run share. Each job has its own tensors, so records need no lock.
struct Run {
  const Checkpoint& checkpoint;
  const Plan& plan;
  ShardSet& shards;
  ByteBudget& budget;
  std::vector<TensorRecord>& records;
  std::atomic<std::uint64_t> done = 0;
  std::atomic<bool> stopped = false;  // another job failed
};

// Writes a piece of an output; kInterrupted once the run is to end.
Result<void> put(Run& run, std::uint32_t output, std::uint64_t begin,
                 std::span<const std::byte> bytes);

// Looks at a piece of a tensor on its way; an Error ends the job.
using Inspect = std::function<Result<void>(std::span<const std::byte>)>;

// Copies a tensor in pieces as large as `space`, hashing it.
Result<void> copy_tensor(Run& run, const TensorInfo& tensor, std::uint32_t output,
                         std::span<std::byte> space, const Inspect& inspect = {});

// The same values in F32.
Result<void> widen_tensor(Run& run, const TensorInfo& tensor, std::uint32_t output);

// Sees the bytes of a tensor, or a run of them from `begin` on, as they are stored.
using SeenCall = std::function<void(const TensorInfo& tensor, std::uint64_t begin,
                                    std::span<const std::byte> bytes)>;

// As read_matrix() without the call.
Result<QuantizedWeight> read_matrix(const Checkpoint& checkpoint, const StoredMatrix& matrix,
                                    const SeenCall& seen);

// Every matrix of a job, from reading its sources to writing it.
Result<void> run_regroup(Run& run, const RegroupJob& job);

Result<void> run_weight(Run& run, const WeightStep& step, std::span<std::byte> space);

}  // namespace requant
