#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "plan/plan.h"
#include "plan/weight_file.h"

namespace requant {

// The weight files of a plan while they are written, from several threads. A file is opened when
// its first tensor comes, closed when its last byte has, and called FILE.partial until then. One
// thread of its own pushes data to the disk all the while, so that making it safe at the end takes
// little.
class ShardSet {
 public:
  ShardSet(const Plan& plan, std::filesystem::path folder);
  ~ShardSet();
  ShardSet(const ShardSet&) = delete;
  ShardSet& operator=(const ShardSet&) = delete;

  // Where the output's data begins in its file. REQUIRES: start() of it has succeeded.
  std::uint64_t offset_of(std::uint32_t output) const;

  // Opens the output's file unless that has been done.
  Result<void> start(std::uint32_t output);
  // REQUIRES: start() of it has succeeded.
  Result<void> fill(std::uint32_t output, std::uint64_t begin, std::span<const std::byte> bytes);

  // Waits until every file is safe on the disk under its own name.
  Result<void> finish();

 private:
  struct File {
    std::mutex mutex;  // guards opening
    std::optional<WeightFile> weights;
    std::atomic<std::uint64_t> written = 0;
  };
  struct Task {
    std::uint32_t shard = 0;
    bool finishes = false;
  };

  std::filesystem::path partial_path(std::uint32_t shard) const;
  Result<void> open(std::uint32_t shard);
  void add_task(Task task);
  void work();
  Result<void> close(std::uint32_t shard);

  const Plan& plan_;
  std::filesystem::path folder_;
  std::vector<std::unique_ptr<File>> files_;
  std::vector<std::size_t> place_in_shard_;  // by output

  std::mutex mutex_;  // guards the rest
  std::condition_variable changed_;
  std::deque<Task> tasks_;
  std::size_t finished_ = 0;
  std::optional<Error> failure_;
  bool stops_ = false;
  std::thread flusher_;
};

}  // namespace requant
