#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "plan/plan.h"

namespace requant {

// The weight files of a plan while they are written, from several threads. A file is opened when
// its first tensor comes and finished when the last job that writes to it is done. One thread of
// its own pushes data to the disk all the while, so that making it safe at the end takes little. It
// is waited for where many files are still to be finished, so that few are open at once.
class ShardSet {
 public:
  // Called on one thread with each file that is safe on the disk.
  using Finished = std::function<Result<void>(std::uint32_t shard)>;

  // Files that are `kept` are there already: nothing is written to them.
  ShardSet(const Plan& plan, std::filesystem::path folder, std::vector<bool> kept,
           Finished finished);
  ~ShardSet();
  ShardSet(const ShardSet&) = delete;
  ShardSet& operator=(const ShardSet&) = delete;

  bool keeps(std::uint32_t shard) const { return kept_[shard]; }

  // One more job writes to the shard. All are announced before the first begins.
  void expect_job(std::uint32_t shard) { ++files_[shard]->jobs; }
  void job_done(std::uint32_t shard);

  // The error is that of another file, too, where one could not be finished.
  Result<void> fill(std::uint32_t output, std::uint64_t begin, std::span<const std::byte> bytes);

  // Waits until every file is safe on the disk.
  Result<void> finish();

 private:
  struct File {
    std::mutex opening;
    std::mutex
        writing;  // the file system lets one in at a time; who waits here does not spin there
    std::optional<TensorFileWriter> writer;
    std::atomic<std::uint64_t> written = 0;
    std::atomic<std::uint32_t> jobs = 0;
  };
  struct Task {
    std::uint32_t shard = 0;
    bool finishes = false;
  };

  Result<void> open(std::uint32_t shard);
  void add_task(Task task);
  void work();
  Result<void> run(const Task& task);
  void start_writeback(std::uint32_t shard) const;
  Result<void> close(std::uint32_t shard);

  const Plan& plan_;
  std::filesystem::path folder_;
  std::vector<bool> kept_;
  Finished finished_call_;
  std::vector<std::unique_ptr<File>> files_;
  std::atomic<bool> failed_ = false;

  std::mutex mutex_;  // guards the rest
  std::condition_variable changed_;
  std::deque<Task> tasks_;
  std::size_t finished_ = 0;
  std::size_t to_finish_ = 0;  // tasks that finish a file and are not done
  std::optional<Error> failure_;
  bool stops_ = false;
  std::thread flusher_;
};

}  // namespace requant
