#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "container/container.h"

namespace requant {

// What an index (model.safetensors.index.json) says: which shard has which tensor.
struct ShardIndex {
  struct Entry {
    std::uint32_t begin = 0;  // of the tensor's name in `names`
    std::uint32_t size = 0;
    std::uint32_t shard = 0;  // index into shards
  };
  std::string label;
  std::vector<std::string> shards;  // plain file names, sorted, each once
  std::vector<Entry> entries;
  std::string names;  // of all tensors, one after the other
  // metadata.total_size as it was spelt; often wrong in the wild, so nothing relies on it.
  std::optional<std::string> total_size;

  std::string_view tensor(const Entry& entry) const {
    return std::string_view(names).substr(entry.begin, entry.size);
  }
};

// Every shard name is a plain name of a file of `container`; whether the files exist is not looked
// at, nor whether a tensor comes twice.
Result<ShardIndex> read_index(const File& file, const Container& container);

// No tensor comes twice.
Result<void> check_unique(const ShardIndex& index);

// Holds the opened shards to the index, and that to check_unique(). REQUIRES: source.files() are
// index.shards.
Result<void> check_index(const ShardIndex& index, const Source& source);

// What is odd but legal: a wrong total_size, tensors that the index does not list.
std::vector<std::string> index_notes(const ShardIndex& index, const Source::Parts& parts);

}  // namespace requant
