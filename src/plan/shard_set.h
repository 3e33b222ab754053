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

  Result<void> fill(std::uint32_t output, std::uint64_t begin, std::span<const std::byte> bytes);

  // Waits until every file is safe on the disk under its own name.
  Result<void> finish();

 private:
  struct File {
    std::mutex opening;
    std::optional<SafetensorsWriter> writer;
    int descriptor = -1;  // a second one, for starting write-back
    std::mutex
        writing;  // the file system lets one in at a time; who waits here does not spin there
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

  std::mutex mutex_;  // guards the rest
  std::condition_variable changed_;
  std::deque<Task> tasks_;
  std::size_t finished_ = 0;
  std::optional<Error> failure_;
  bool stops_ = false;
  std::thread flusher_;
};

}  // namespace requant
