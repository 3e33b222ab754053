#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plan/plan.h"

namespace requant {

// A tensor by what it must share a shard with: those of one key stay together.
struct ShardItem {
  std::string key;
  std::uint32_t output = 0;
};

// The modules that engines load as one matrix, and the matrices of one expert.
std::string shard_key(const std::string& module, const Module& place);

// Fills shards of at most `max_bytes` in the order of the items' names, a key never divided, and
// gives each output its shard. One shard is called model.safetensors.
std::vector<Shard> make_shards(std::vector<ShardItem> items, std::vector<OutputTensor>& outputs,
                               std::uint64_t max_bytes);

// model.safetensors.index.json; empty where there is one shard.
std::string shard_index(const Plan& plan);

}  // namespace requant
