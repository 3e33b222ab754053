#include "plan/shard_set.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "base/file.h"
#include "base/text.h"

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

std::vector<PlannedTensor> tensors_of(const Plan& plan, std::uint32_t shard) {
  std::vector<PlannedTensor> tensors;
  for (const std::uint32_t output : plan.shards[shard].outputs) {
    const TensorInfo& info = *plan.outputs[output].tensor;
    tensors.push_back({info.name, info.dtype, info.shape});
  }
  return tensors;
}

}  // namespace

ShardSet::ShardSet(const Plan& plan, fs::path folder) : plan_(plan), folder_(std::move(folder)) {
  for (std::size_t i = 0; i < plan.shards.size(); ++i) files_.push_back(std::make_unique<File>());
  flusher_ = std::thread([this] { work(); });
}

ShardSet::~ShardSet() {
  {
    const std::lock_guard lock(mutex_);
    stops_ = true;
    changed_.notify_all();
  }
  flusher_.join();
  for (const auto& file : files_) {
    if (file->descriptor >= 0) ::close(file->descriptor);
  }
}

fs::path ShardSet::partial_path(std::uint32_t shard) const {
  return folder_ / (plan_.shards[shard].file + ".partial");
}

Result<void> ShardSet::open(std::uint32_t shard) {
  File& file = *files_[shard];
  const std::lock_guard lock(file.opening);
  if (file.writer) return {};
  RQ_TRY(SafetensorsWriter writer,
         SafetensorsWriter::create(partial_path(shard), tensors_of(plan_, shard), plan_.metadata));
  file.descriptor = ::open(partial_path(shard).c_str(), O_WRONLY | O_CLOEXEC);
  file.writer.emplace(std::move(writer));
  return {};
}

Result<void> ShardSet::fill(std::uint32_t output, std::uint64_t begin,
                            std::span<const std::byte> bytes) {
  const OutputTensor& tensor = plan_.outputs[output];
  File& file = *files_[tensor.shard];
  RQ_CHECK(open(tensor.shard));
  {
    const std::lock_guard lock(file.writing);
    for (std::size_t at = 0; at < bytes.size(); at += kWriteBytes) {
      const auto piece = bytes.subspan(at, std::min(kWriteBytes, bytes.size() - at));
      RQ_CHECK(file.writer->fill(tensor.tensor->name, begin + at, piece));
    }
  }
  const std::uint64_t before = file.written.fetch_add(bytes.size());
  const std::uint64_t after = before + bytes.size();
  if (after == plan_.shards[tensor.shard].bytes) {
    add_task({tensor.shard, true});
  } else if (before / kWritebackBytes != after / kWritebackBytes) {
    add_task({tensor.shard, false});
  }
  return {};
}

void ShardSet::add_task(Task task) {
  const std::lock_guard lock(mutex_);
  tasks_.push_back(task);
  changed_.notify_all();
}

void ShardSet::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stops_ || !tasks_.empty(); });
    if (stops_) return;
    const Task task = tasks_.front();
    tasks_.pop_front();
    lock.unlock();
    std::optional<Error> failure;
    if (task.finishes) {
      if (auto closed = close(task.shard); !closed) failure = std::move(closed).error();
    } else {
      // A hint: a write that fails is reported by the fsync at the end.
      (void)::sync_file_range(files_[task.shard]->descriptor, 0, 0, SYNC_FILE_RANGE_WRITE);
    }
    lock.lock();
    finished_ += task.finishes ? 1 : 0;
    if (failure && !failure_) failure_ = std::move(failure);
    changed_.notify_all();
  }
}

Result<void> ShardSet::close(std::uint32_t shard) {
  File& file = *files_[shard];
  RQ_CHECK(file.writer->finish());
  const fs::path path = folder_ / plan_.shards[shard].file;
  if (::rename(partial_path(shard).c_str(), path.c_str()) != 0) {
    return resource(printable(path.string(), 4096) + ": renaming to it: " + system_message(errno));
  }
  return {};
}

Result<void> ShardSet::finish() {
  for (std::uint32_t shard = 0; shard < files_.size(); ++shard) {
    if (plan_.shards[shard].bytes > 0) continue;  // no fill() completes a file without bytes
    RQ_CHECK(open(shard));
    add_task({shard, true});
  }
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return failure_ || finished_ == files_.size(); });
  if (failure_) return *failure_;
  return {};
}

}  // namespace requant
