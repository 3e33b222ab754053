#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "plan/shard_sums.h"

namespace requant {

struct Checksums {
  std::vector<Damage> damage;
  std::vector<std::string> unlisted;  // files that the receipt does not know; hidden ones left out
  std::uint64_t tensors = 0;          // that were compared
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
};

// Reads every byte that a receipt (requant.json) vouches for: weight files, the files beside them,
// the receipt itself.
//   kNotFound  no receipt;  kCorrupt  one that cannot be read as such;  kRefused  one without
//   checksums of whole files;  kResource  a file that cannot be read.
Result<Checksums> compare_checksums(const std::filesystem::path& folder,
                                    const ReadCall& progress = {});

}  // namespace requant
