#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/result.h"

namespace requant {

inline constexpr std::string_view kIndexName = "model.safetensors.index.json";

// The index that the headers of a folder's safetensors files ask for, where the one that is there
// names other tensors, shards or sizes, or where there are shards and no index. Nothing where all
// is right, and where a shard is not there.
Result<std::optional<std::string>> rebuilt_index(const std::filesystem::path& folder);

}  // namespace requant
