#include "container/writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
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

}  // namespace

Result<SafetensorsWriter> SafetensorsWriter::create(
    const std::filesystem::path& path, std::vector<PlannedTensor> tensors,
    const std::map<std::string, std::string>& metadata) {
  RQ_TRY(SafetensorsLayout layout, safetensors_layout(tensors, metadata));
  const auto file_bytes = (Checked(layout.header.size()) + layout.data_bytes).value();
  if (!file_bytes) return usage("the tensors' sizes overflow");
  SafetensorsWriter writer;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto offset = (Checked(layout.header.size()) + layout.offsets[i]).value().value_or(0);
    const std::uint64_t bytes =
        byte_size(tensors[i].dtype, element_count(tensors[i].shape).value_or(0)).value_or(0);
    writer.places_.emplace(std::move(tensors[i].name), Place{offset, bytes, 0});
  }
  RQ_TRY(writer.descriptor_, create_file(path));
  writer.path_ = path;
  writer.header_ = std::move(layout.header);
  writer.file_bytes_ = *file_bytes;
  RQ_CHECK(reserve(path, writer.descriptor_, *file_bytes));
  return writer;
}

SafetensorsWriter::SafetensorsWriter(SafetensorsWriter&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      header_(std::move(other.header_)),
      file_bytes_(other.file_bytes_),
      places_(std::move(other.places_)) {}

SafetensorsWriter& SafetensorsWriter::operator=(SafetensorsWriter&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(header_, other.header_);
  std::swap(file_bytes_, other.file_bytes_);
  std::swap(places_, other.places_);
  return *this;
}

SafetensorsWriter::~SafetensorsWriter() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(path_.c_str());
}

Result<void> SafetensorsWriter::fill(std::string_view name, std::uint64_t begin,
                                     std::span<const std::byte> bytes) {
  const auto found = places_.find(name);
  if (found == places_.end()) return usage(in_quotes(name) + " was not announced");
  Place& place = found->second;
  const auto end = (Checked(begin) + bytes.size()).value();
  if (!end || *end > place.bytes) {
    return usage(fmt::format("{}: bytes {} and {} more, it has {}", printable(name), begin,
                             bytes.size(), place.bytes));
  }
  const std::uint64_t offset = (Checked(place.offset) + begin).value().value_or(0);
  RQ_CHECK(write_at(path_, descriptor_, offset, bytes));
  std::atomic_ref(place.filled).fetch_add(bytes.size(), std::memory_order_relaxed);
  return {};
}

Result<void> SafetensorsWriter::finish() {
  for (const auto& [name, place] : places_) {
    if (place.filled == place.bytes) continue;
    return corrupt(fmt::format("{}: {}: {} bytes were written, expected {}",
                               printable(path_.string(), 4096), printable(name), place.filled,
                               place.bytes));
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

}  // namespace requant
