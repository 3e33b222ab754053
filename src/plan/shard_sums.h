#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "container/writer.h"
#include "plan/run_plan.h"

namespace requant {

// What the bytes of one weight file must be: its header, and the hash of each tensor's data. There
// is nothing else in such a file.
struct ShardSums {
  struct Tensor {
    TensorInfo info;  // its place in the file
    std::string sha256;
  };
  std::string file;
  std::string header;
  std::uint64_t bytes = 0;
  std::vector<Tensor> tensors;
};

// A weight file as its writer is told of it; the tensors in the order of its outputs.
Result<FileLayout> layout_of(const Plan& plan, std::uint32_t shard);

// Of tensors in the order given, with what is in __metadata__. kUsage where there can be no such
// file.
Result<ShardSums> shard_sums(std::string file, std::span<const PlannedTensor> tensors,
                             std::span<const std::string> sha256,
                             const std::map<std::string, std::string>& metadata);
// Of a file that is laid out.
ShardSums shard_sums(std::string file, FileLayout layout, std::span<const std::string> sha256);
// Of one shard of a plan, its records being those of the whole plan.
Result<ShardSums> shard_sums(const Plan& plan, std::uint32_t shard,
                             std::span<const TensorRecord> records);

// Bytes that are not what they must be.
struct Damage {
  std::string file;
  std::string tensor;  // empty: not in the data of one
  std::string what;    // "its SHA-256 is ..., expected ..."
};

// Bytes read, of all.
using ReadCall = std::function<void(std::uint64_t done, std::uint64_t total)>;

// Reads every byte of the files. Sorted by file and place.
//   kResource  a file that cannot be read;  kInterrupted  a signal.
Result<std::vector<Damage>> find_damage(const std::filesystem::path& folder,
                                        std::span<const ShardSums> shards,
                                        const ReadCall& progress = {});

}  // namespace requant
