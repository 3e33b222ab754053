#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "requant/result.h"

namespace requant {

struct VerifyOptions {
  std::filesystem::path first;
  std::filesystem::path second;
  int threads = 0;  // 0: as many as there are CPUs
};

// A weight by its module or another tensor by its name, as two checkpoints have it.
struct VerifyPair {
  std::string name;
  // "exact"; "rounded": one side is unquantised and holds the exact values, rounded once;
  // "repaired": equal once rows of scale 0 are repaired; "padded": equal but for zeros that the
  // receipt of one side names; "tied": left out on one side, where the config ties it to the
  // embedding; "differs", "only-in-first", "only-in-second".
  std::string status;
  bool matches = false;
  std::uint64_t elements = 0;  // whose values differ
  double max_relative = 0;     // largest difference over the largest magnitude
  std::uint64_t max_ulp = 0;   // in F32
  std::string first;           // where and how they differ first
  std::vector<std::int64_t> repaired_rows;
};

struct VerifyReport {
  bool equal = false;  // every pair matches
  std::vector<VerifyPair> pairs;

  std::uint64_t count(const std::string& status) const;
};

// Compares every number of two checkpoints, whatever dialects and containers they are in.
Result<VerifyReport> verify(const VerifyOptions& options,
                            const std::function<void(std::uint64_t, std::uint64_t)>& progress = {});

// "schema": "requant/verify/1".
std::string to_json(const VerifyReport& report);

// What is not as the receipt of an output says.
struct ChecksumDamage {
  std::string file;
  std::string tensor;  // empty: in no tensor's data
  std::string what;
};

struct ChecksumReport {
  std::vector<ChecksumDamage> damage;  // empty: every byte is as it was written
  std::vector<std::string> unlisted;   // files that the receipt does not know
  std::uint64_t tensors = 0;           // that were compared
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
};

// Compares every byte of an output of convert() or quantize() with the SHA-256 hashes in its
// receipt. `threads` 0: as many as there are CPUs.
Result<ChecksumReport> verify_checksums(
    const std::filesystem::path& folder, int threads = 0,
    const std::function<void(std::uint64_t, std::uint64_t)>& progress = {});

// "schema": "requant/checksums/1".
std::string to_json(const ChecksumReport& report);

}  // namespace requant
