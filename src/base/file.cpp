#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "base/text.h"

namespace requant {
namespace {

constexpr std::size_t kMaxRead = std::size_t{1} << 30;

Error open_error(const std::string& label, int error_number) {
  const std::string message = label + ": " + system_message(error_number);
  if (error_number == EMFILE || error_number == ENFILE || error_number == ENOMEM) {
    return resource(message);
  }
  if (error_number == ENOENT || error_number == ENOTDIR) return not_found(message);
  return corrupt(message);
}

std::string kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
  if (S_ISSOCK(mode)) return "a socket";
  return "something else";
}

}  // namespace

std::string system_message(int error_number) {
  return std::generic_category().message(error_number);
}

Result<File> File::open(const std::filesystem::path& path, std::string label) {
  if (label.empty()) label = printable(path.string(), 4096);
  File file;
  file.label_ = label;
  // O_NONBLOCK, or opening a FIFO would wait for a writer.
  file.descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file.descriptor_ < 0) return open_error(label, errno);
  struct stat status {};
  if (::fstat(file.descriptor_, &status) != 0) return open_error(label, errno);
  if (!S_ISREG(status.st_mode)) {
    return corrupt(label + ": expected a regular file, found " + kind_of(status.st_mode));
  }
  file.size_ = static_cast<std::uint64_t>(status.st_size);
  return file;
}

File File::over(std::shared_ptr<const ByteSource> source, std::uint64_t size, std::string label) {
  File file;
  file.source_ = std::move(source);
  file.size_ = size;
  file.label_ = std::move(label);
  return file;
}

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

File::File(File&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      size_(other.size_),
      label_(std::move(other.label_)),
      source_(std::move(other.source_)) {}

File& File::operator=(File&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(size_, other.size_);
  std::swap(label_, other.label_);
  std::swap(source_, other.source_);
  return *this;
}

Result<void> File::read_at(std::uint64_t offset, std::span<std::byte> out) const {
  if (source_ != nullptr) return source_->read_at(offset, out);
  std::size_t done = 0;
  while (done < out.size()) {
    const std::size_t want = std::min(out.size() - done, kMaxRead);
    const ssize_t got =
        ::pread(descriptor_, out.data() + done, want, static_cast<off_t>(offset + done));
    if (got < 0) {
      if (errno == EINTR) continue;
      return resource(label_ + ": reading " + std::to_string(want) + " bytes at " +
                      std::to_string(offset + done) + ": " + system_message(errno));
    }
    if (got == 0) {
      return corrupt(label_ + ": the file ends at byte " + std::to_string(offset + done) +
                     ", expected " + std::to_string(out.size() - done) + " more");
    }
    done += static_cast<std::size_t>(got);
  }
  return {};
}

Result<Bytes> File::read_at(std::uint64_t offset, std::uint64_t size) const {
  if (offset > size_ || size > size_ - offset) {
    return corrupt(label_ + ": the file has " + std::to_string(size_) + " bytes, expected " +
                   std::to_string(size) + " at " + std::to_string(offset));
  }
  RQ_TRY_IN(Buffer buffer, Buffer::allocate(size), label_);
  RQ_CHECK(read_at(offset, buffer.span()));
  return std::move(buffer).freeze();
}

Result<Bytes> read_small_file(const File& file, std::uint64_t limit) {
  if (file.size() > limit) {
    return refused(file.label() + ": " + human_bytes(file.size()) + ", expected at most " +
                   human_bytes(limit));
  }
  return file.read_at(0, file.size());
}

Result<Bytes> read_small_file(const std::filesystem::path& path, std::uint64_t limit,
                              std::string label) {
  RQ_TRY(const File file, File::open(path, std::move(label)));
  return read_small_file(file, limit);
}

Result<std::vector<std::string>> file_names_in(const std::filesystem::path& folder) {
  namespace fs = std::filesystem;
  std::vector<std::string> names;
  std::error_code failed;
  for (fs::directory_iterator it(folder, failed), end; !failed && it != end; it.increment(failed)) {
    std::error_code ignored;
    if (fs::is_regular_file(it->path(), ignored)) names.push_back(it->path().filename().string());
  }
  if (failed && failed != std::errc::no_such_file_or_directory) {
    return resource(printable(folder.string(), 4096) + ": listing it: " + failed.message());
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace requant
