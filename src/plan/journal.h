#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "plan/run_plan.h"

namespace requant {

// What decides the bytes of the weight files. Of each part, a text that differs where it does.
struct Fingerprint {
  std::string program;  // version and build
  std::string options;
  std::string source;  // the weight files, by inode, size and time of their last change
  std::string plan;    // every tensor of the output and what it is made from

  friend bool operator==(const Fingerprint&, const Fingerprint&) = default;
};

// Tells a file, as it is now, from another of its name: inode, size, time of the last change.
std::string identity_of(const std::filesystem::path& file);

Fingerprint fingerprint_of(const Checkpoint& checkpoint, const Plan& plan,
                           std::string_view options);

// The weight files that a run has finished, in a file beside the folder that it fills: a line each,
// added and synced once the file itself is safe on the disk. A line holds the SHA-256 of its rest,
// so a line that was half written does not count.
class Journal {
 public:
  struct Entries {
    std::map<std::uint32_t, std::vector<TensorRecord>> shards;  // in the order of Shard::outputs
    std::string discarded;  // why what an earlier run noted does not count; empty: it does
  };

  // Nothing where there is no journal.
  static Result<Entries> read(const std::filesystem::path& path, const Fingerprint& fingerprint,
                              const Plan& plan);

  // Begins a journal of these entries in the place of what is there.
  static Result<Journal> begin(const std::filesystem::path& path, const Fingerprint& fingerprint,
                               const Plan& plan, const Entries& entries);
  Journal(Journal&& other) noexcept;
  Journal& operator=(Journal&&) = delete;
  ~Journal();

  // `records` are those of the whole plan.
  Result<void> add(const Plan& plan, std::uint32_t shard, const std::vector<TensorRecord>& records);

  std::size_t shards() const { return shards_; }

 private:
  Journal() = default;
  Result<void> append(const Json& entry);

  std::filesystem::path path_;
  int descriptor_ = -1;
  std::size_t shards_ = 0;
};

}  // namespace requant
