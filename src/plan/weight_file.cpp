#include "plan/weight_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <limits>
#include <utility>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/file.h"
#include "base/text.h"

namespace requant {
namespace {

// Larger writes make the page cache take folios of up to 2 MiB, which in a virtual machine are
// often memory that the host has yet to supply: 4.5 GB took 26 to 37 s in writes of 4 MiB and 8 s
// in these.
constexpr std::size_t kCachedWriteBytes = std::size_t{64} << 10;

// Below this a direct write costs more than the copy it saves.
constexpr std::size_t kMinDirectBytes = std::size_t{256} << 10;

int claim(int descriptor, std::uint64_t bytes) {
  if (bytes > static_cast<std::uint64_t>(std::numeric_limits<off_t>::max())) return EFBIG;
  const auto size = static_cast<off_t>(bytes);
  while (::fallocate(descriptor, 0, 0, size) != 0) {
    if (errno == EINTR) continue;
    if (errno != EOPNOTSUPP && errno != ENOSYS) return errno;
    return ::ftruncate(descriptor, size) == 0 ? 0 : errno;
  }
  return 0;
}

std::uint64_t misalignment(const void* address) {
  return std::bit_cast<std::uintptr_t>(address) % kDirectAlignment;
}

}  // namespace

Error WeightFile::error(std::string_view doing, int error_number) const {
  return resource(fmt::format("{}: {}: {}", printable(path_.string(), 4096), doing,
                              system_message(error_number)));
}

Result<WeightFile> WeightFile::create(const std::filesystem::path& path,
                                      std::span<const PlannedTensor> tensors) {
  RQ_TRY(SafetensorsLayout layout, safetensors_layout(tensors, {{"format", "pt"}}));
  WeightFile file;
  file.path_ = path;
  for (const std::uint64_t offset : layout.offsets) {
    file.offsets_.push_back((Checked(layout.header.size()) + offset).value().value_or(0));
  }
  const auto bytes = (Checked(layout.header.size()) + layout.data_bytes).value();
  if (!bytes) return refused(printable(path.string(), 4096) + ": its size overflows");
  file.header_ = std::move(layout.header);
  file.cached_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file.cached_ < 0) return file.error("creating it", errno);
  if (const int failed = claim(file.cached_, *bytes); failed != 0) {
    return file.error("reserving " + human_bytes(*bytes), failed);
  }
  file.direct_ = ::open(path.c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC);
  return file;
}

WeightFile::WeightFile(WeightFile&& other) noexcept
    : path_(std::move(other.path_)),
      header_(std::move(other.header_)),
      offsets_(std::move(other.offsets_)),
      cached_(std::exchange(other.cached_, -1)),
      direct_(std::exchange(other.direct_, -1)) {}

WeightFile::~WeightFile() {
  if (cached_ >= 0) ::close(cached_);
  if (direct_ >= 0) ::close(direct_);
}

// Gives the bytes written: fewer than asked for where the device wants another alignment or is
// full, which writing the rest through the cache then tells.
std::size_t WeightFile::write_direct(std::uint64_t offset, std::span<const std::byte> bytes) const {
  ssize_t wrote = 0;
  do {
    wrote = ::pwrite(direct_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
  } while (wrote < 0 && errno == EINTR);
  return wrote < 0 ? 0 : static_cast<std::size_t>(wrote);
}

Result<void> WeightFile::write_cached(std::uint64_t offset,
                                      std::span<const std::byte> bytes) const {
  while (!bytes.empty()) {
    const ssize_t wrote = ::pwrite(cached_, bytes.data(), std::min(bytes.size(), kCachedWriteBytes),
                                   static_cast<off_t>(offset));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return error("writing", wrote < 0 ? errno : ENOSPC);
    bytes = bytes.subspan(static_cast<std::size_t>(wrote));
    offset += static_cast<std::uint64_t>(wrote);
  }
  return {};
}

// Whole pages go past the cache. The pages at either end, which neighbours share, never do, so that
// no page is written both ways.
Result<void> WeightFile::write(std::uint64_t offset, std::span<const std::byte> bytes) const {
  const std::uint64_t phase = offset % kDirectAlignment;
  const std::uint64_t head = phase == 0 ? 0 : kDirectAlignment - phase;
  const bool can_be_direct =
      direct_ >= 0 && bytes.size() >= head + kMinDirectBytes && misalignment(bytes.data()) == phase;
  if (!can_be_direct) return write_cached(offset, bytes);
  RQ_CHECK(write_cached(offset, bytes.first(head)));
  bytes = bytes.subspan(head);
  offset += head;
  const std::size_t pages = bytes.size() - bytes.size() % kDirectAlignment;
  const std::size_t wrote = write_direct(offset, bytes.first(pages));
  return write_cached(offset + wrote, bytes.subspan(wrote));
}

void WeightFile::start_writeback() const {
  // A hint: a write that fails is reported by the fsync at the end.
  (void)::sync_file_range(cached_, 0, 0, SYNC_FILE_RANGE_WRITE);
}

Result<void> WeightFile::finish() {
  if (::fdatasync(cached_) != 0) return error("fdatasync", errno);
  RQ_CHECK(write_cached(0, bytes_of(header_)));
  if (::fsync(cached_) != 0) return error("fsync", errno);
  if (::close(std::exchange(cached_, -1)) != 0) return error("closing it", errno);
  return {};
}

}  // namespace requant
