#include "container/writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <functional>
#include <limits>
#include <utility>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/descriptor_io.h"
#include "base/text.h"

namespace requant {
namespace {

constexpr std::size_t kMaxWrite = std::size_t{1} << 30;

Result<int> create_file(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor >= 0) return descriptor;
  if (errno == EEXIST) return usage(printable(path.string(), 4096) + ": exists already");
  return io_error(path, "creating it", errno);
}

// Claims the disk space, so that a full disk is met now and not after an hour of writing. Where the
// file system cannot, the file only gets its size.
Result<void> reserve(const std::filesystem::path& path, int descriptor, std::uint64_t bytes) {
  if (bytes > static_cast<std::uint64_t>(std::numeric_limits<off_t>::max())) {
    return io_error(path, "reserving space", EFBIG);
  }
  const auto size = static_cast<off_t>(bytes);
  int failed = 0;
  do {
    failed = ::fallocate(descriptor, 0, 0, size) == 0 ? 0 : errno;
  } while (failed == EINTR);
  if (failed == EOPNOTSUPP || failed == ENOSYS) {
    failed = ::ftruncate(descriptor, size) == 0 ? 0 : errno;
  }
  if (failed != 0) return io_error(path, "reserving " + human_bytes(bytes), failed);
  return {};
}

Result<void> write_at(const std::filesystem::path& path, int descriptor, std::uint64_t offset,
                      std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = ::pwrite(descriptor, bytes.data(), std::min(bytes.size(), kMaxWrite),
                                   static_cast<off_t>(offset));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return io_error(path, "writing", wrote < 0 ? errno : ENOSPC);
    bytes = bytes.subspan(static_cast<std::size_t>(wrote));
    offset += static_cast<std::uint64_t>(wrote);
  }
  return {};
}

// Bytes of a dense row-major tensor that lie one after the other in its file.
struct StridedRun {
  std::uint64_t begin = 0;   // in the tensor
  std::uint64_t offset = 0;  // in the file
  std::uint64_t bytes = 0;
};

// Calls `call` with the runs of bytes [begin, begin + bytes), in their order; an Error ends it.
// Where there are strides, the last is 1. REQUIRES: the bytes are the tensor's, and its place lies
// within 64 bits.
Result<void> for_each_run(const TensorInfo& info, std::uint64_t begin, std::uint64_t bytes,
                          const std::function<Result<void>(const StridedRun&)>& call) {
  if (bytes == 0) return {};
  if (info.strides().empty()) return call({begin, info.offset + begin, bytes});
  const Shape& shape = info.strided_shape().empty() ? info.shape : info.strided_shape();
  const auto width = static_cast<std::uint64_t>(requant::info(info.dtype).bits / 8);
  const std::uint64_t length = static_cast<std::uint64_t>(shape.back()) * width;
  for (std::uint64_t at = begin; at < begin + bytes;) {
    std::uint64_t rest = at / length;
    std::uint64_t elements = 0;
    for (std::size_t d = shape.size() - 1; d-- > 0;) {
      const auto extent = static_cast<std::uint64_t>(shape[d]);
      elements += rest % extent * static_cast<std::uint64_t>(info.strides()[d]);
      rest /= extent;
    }
    const std::uint64_t size = std::min(length - at % length, begin + bytes - at);
    RQ_CHECK(call({at, info.offset + elements * width + at % length, size}));
    at += size;
  }
  return {};
}

}  // namespace

Result<TensorFileWriter> TensorFileWriter::create(const std::filesystem::path& path,
                                                  FileLayout layout) {
  TensorFileWriter writer;
  for (TensorInfo& tensor : layout.tensors) {
    std::string name = tensor.name;
    writer.places_.emplace(std::move(name), Place{std::move(tensor), 0});
  }
  RQ_TRY(writer.descriptor_, create_file(path));
  writer.path_ = path;
  writer.header_ = std::move(layout.header);
  writer.file_bytes_ = layout.bytes;
  RQ_CHECK(reserve(path, writer.descriptor_, layout.bytes));
  return writer;
}

TensorFileWriter::TensorFileWriter(TensorFileWriter&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      header_(std::move(other.header_)),
      file_bytes_(other.file_bytes_),
      places_(std::move(other.places_)) {}

TensorFileWriter& TensorFileWriter::operator=(TensorFileWriter&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(header_, other.header_);
  std::swap(file_bytes_, other.file_bytes_);
  std::swap(places_, other.places_);
  return *this;
}

TensorFileWriter::~TensorFileWriter() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(path_.c_str());
}

Result<void> TensorFileWriter::fill(std::string_view name, std::uint64_t begin,
                                    std::span<const std::byte> bytes) {
  const auto found = places_.find(name);
  if (found == places_.end()) return usage(in_quotes(name) + " was not announced");
  Place& place = found->second;
  const auto end = (Checked(begin) + bytes.size()).value();
  if (!end || *end > place.info.bytes) {
    return usage(fmt::format("{}: bytes {} and {} more, it has {}", printable(name), begin,
                             bytes.size(), place.info.bytes));
  }
  RQ_CHECK(for_each_run(place.info, begin, bytes.size(), [&](const StridedRun& run) {
    return write_at(path_, descriptor_, run.offset, bytes.subspan(run.begin - begin, run.bytes));
  }));
  std::atomic_ref(place.filled).fetch_add(bytes.size(), std::memory_order_relaxed);
  return {};
}

Result<void> TensorFileWriter::finish() {
  for (const auto& [name, place] : places_) {
    if (place.filled == place.info.bytes) continue;
    return corrupt(fmt::format("{}: {}: {} bytes were written, expected {}",
                               printable(path_.string(), 4096), printable(name), place.filled,
                               place.info.bytes));
  }
  // The header goes last, when the data is safe: until then the file begins with zeros, which no
  // reader takes for a checkpoint, whenever the power goes.
  if (::fdatasync(descriptor_) != 0) return io_error(path_, "fdatasync", errno);
  RQ_CHECK(write_at(path_, descriptor_, 0, bytes_of(header_)));
  if (::fsync(descriptor_) != 0) return io_error(path_, "fsync", errno);
  if (::close(std::exchange(descriptor_, -1)) != 0) {
    const int failed = errno;
    ::unlink(path_.c_str());
    return io_error(path_, "closing it", failed);
  }
  return {};
}

Result<TensorFileWriter> SafetensorsWriter::create(
    const std::filesystem::path& path, const std::vector<PlannedTensor>& tensors,
    const std::map<std::string, std::string>& metadata) {
  RQ_TRY(FileLayout layout, safetensors_file(tensors, metadata));
  return TensorFileWriter::create(path, std::move(layout));
}

}  // namespace requant
