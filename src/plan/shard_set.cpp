#include "plan/shard_set.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "base/signals.h"
#include "base/threads.h"
#include "plan/shard_sums.h"

namespace requant {
namespace fs = std::filesystem;
namespace {

// Write-back starts each time that so much more has been written: late enough for large requests,
// early enough that little is left when the file ends.
constexpr std::uint64_t kWritebackBytes = std::uint64_t{64} << 20;

// Larger writes make the page cache take folios of up to 2 MiB, which in a virtual machine are
// often memory that the host has yet to supply: 4.5 GB took 26 to 37 s in writes of 4 MiB and 8 s
// in these.
constexpr std::size_t kWriteBytes = std::size_t{64} << 10;

// Files that wait to be finished, and are open as long.
constexpr std::size_t kMostToFinish = 16;

constexpr auto kLookInterval = std::chrono::milliseconds(100);

}  // namespace

ShardSet::ShardSet(const Plan& plan, fs::path folder, std::vector<bool> kept, Finished finished)
    : plan_(plan),
      folder_(std::move(folder)),
      kept_(std::move(kept)),
      finished_call_(std::move(finished)) {
  for (std::size_t i = 0; i < plan.shards.size(); ++i) files_.push_back(std::make_unique<File>());
  finished_ = static_cast<std::size_t>(std::ranges::count(kept_, true));
  flusher_ = std::thread([this] { work(); });
}

ShardSet::~ShardSet() {
  {
    const std::lock_guard lock(mutex_);
    stops_ = true;
    changed_.notify_all();
  }
  flusher_.join();
}

Result<void> ShardSet::open(std::uint32_t shard) {
  File& file = *files_[shard];
  const std::lock_guard lock(file.opening);
  if (file.writer) return {};
  RQ_TRY(FileLayout layout, layout_of(plan_, shard));
  RQ_TRY(TensorFileWriter writer,
         TensorFileWriter::create(folder_ / plan_.shards[shard].file, std::move(layout)));
  file.writer.emplace(std::move(writer));
  return {};
}

Result<void> ShardSet::fill(std::uint32_t output, std::uint64_t begin,
                            std::span<const std::byte> bytes) {
  const OutputTensor& tensor = plan_.outputs[output];
  if (keeps(tensor.shard)) return {};
  if (failed_) {
    const std::lock_guard lock(mutex_);
    return *failure_;
  }
  RQ_CHECK(open(tensor.shard));
  File& file = *files_[tensor.shard];
  {
    const std::lock_guard lock(file.writing);
    for (std::size_t at = 0; at < bytes.size(); at += kWriteBytes) {
      const auto piece = bytes.subspan(at, std::min(kWriteBytes, bytes.size() - at));
      RQ_CHECK(file.writer->fill(tensor.tensor->name, begin + at, piece));
    }
  }
  const std::uint64_t before = file.written.fetch_add(bytes.size());
  const std::uint64_t after = before + bytes.size();
  if (before / kWritebackBytes != after / kWritebackBytes) add_task({tensor.shard, false});
  return {};
}

void ShardSet::job_done(std::uint32_t shard) {
  if (!keeps(shard) && --files_[shard]->jobs == 0) add_task({shard, true});
}

void ShardSet::add_task(Task task) {
  std::unique_lock lock(mutex_);
  tasks_.push_back(task);
  to_finish_ += task.finishes ? 1 : 0;
  changed_.notify_all();
  if (task.finishes) changed_.wait(lock, [&] { return failure_ || to_finish_ <= kMostToFinish; });
}

void ShardSet::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stops_ || !tasks_.empty(); });
    if (stops_) return;
    const Task task = tasks_.front();
    tasks_.pop_front();
    lock.unlock();
    auto done = or_out_of_memory([&] { return run(task); });
    lock.lock();
    finished_ += task.finishes ? 1 : 0;
    to_finish_ -= task.finishes ? 1 : 0;
    if (!done && !failure_) {
      failure_.emplace(std::move(done).error());
      failed_ = true;
    }
    changed_.notify_all();
  }
}

Result<void> ShardSet::run(const Task& task) {
  if (task.finishes) return close(task.shard);
  start_writeback(task.shard);
  return {};
}

// A hint: a write that fails is reported by the fsync at the end.
void ShardSet::start_writeback(std::uint32_t shard) const {
  const fs::path path = folder_ / plan_.shards[shard].file;
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (descriptor < 0) return;
  (void)::sync_file_range(descriptor, 0, 0, SYNC_FILE_RANGE_WRITE);
  ::close(descriptor);
}

Result<void> ShardSet::close(std::uint32_t shard) {
  RQ_CHECK(open(shard));  // where all its tensors are empty, nothing has
  File& file = *files_[shard];
  RQ_CHECK(file.writer->finish());
  file.writer.reset();
  return finished_call_(shard);
}

Result<void> ShardSet::finish() {
  std::unique_lock lock(mutex_);
  const auto is_over = [&] { return failure_ || finished_ == files_.size(); };
  while (!changed_.wait_for(lock, kLookInterval, is_over)) {
    if (interrupted()) return interruption();
  }
  if (failure_) return *failure_;
  return {};
}

}  // namespace requant
