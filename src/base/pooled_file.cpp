#include "base/pooled_file.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <utility>

#include "base/file.h"

namespace requant {
namespace {

constexpr rlim_t kMostOpen = 1024;
constexpr std::size_t kMaxRead = std::size_t{1} << 30;
constexpr std::size_t kReadAhead = std::size_t{1} << 20;

// Half of what the process may have: the rest is for what is written, and for whoever calls us.
std::size_t most_open() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return kMostOpen / 2;
  return static_cast<std::size_t>(std::clamp<rlim_t>(limit.rlim_cur / 2, 1, kMostOpen));
}

Error open_error(const std::string& label, int error_number) {
  const std::string message = label + ": " + system_message(error_number);
  if (error_number == EMFILE || error_number == ENFILE || error_number == ENOMEM ||
      error_number == EIO) {
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

bool is_same(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size &&
         a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

}  // namespace

// The open files of the process that nobody reads just now, the one that waits longest first.
class FilePool {
 public:
  static FilePool& one() {
    static FilePool pool;
    return pool;
  }

  Result<int> take(const PooledFile& file, struct stat& status) {
    const std::lock_guard lock(mutex_);
    if (file.descriptor_ < 0) {
      RQ_TRY(file.descriptor_, open(file, status));
      ++open_;
    } else if (file.users_ == 0) {
      file.place_.splice(file.place_.begin(), idle_, file.node_);
    }
    ++file.users_;
    return file.descriptor_;
  }

  void give_back(const PooledFile& file) {
    const std::lock_guard lock(mutex_);
    if (--file.users_ == 0) idle_.splice(idle_.end(), file.place_);
  }

  void forget(const PooledFile& file) {
    const std::lock_guard lock(mutex_);
    if (file.descriptor_ < 0) return;
    file.place_.splice(file.place_.begin(), idle_, file.node_);
    close(file);
  }

 private:
  void close(const PooledFile& file) {
    ::close(std::exchange(file.descriptor_, -1));
    --open_;
  }

  bool close_longest_idle() {
    if (idle_.empty()) return false;
    const PooledFile& file = *idle_.front();
    file.place_.splice(file.place_.begin(), idle_, idle_.begin());
    close(file);
    return true;
  }

  // O_NONBLOCK, or opening a FIFO would wait for a writer.
  Result<int> open(const PooledFile& file, struct stat& status) {
    while (open_ >= limit_ && close_longest_idle()) {
    }
    int descriptor = -1;
    do {
      descriptor = ::open(file.path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    } while (descriptor < 0 &&
             (errno == EINTR || ((errno == EMFILE || errno == ENFILE) && close_longest_idle())));
    if (descriptor < 0) return open_error(file.label_, errno);
    if (::fstat(descriptor, &status) == 0) return descriptor;
    const int reason = errno;
    ::close(descriptor);
    return open_error(file.label_, reason);
  }

  std::mutex mutex_;
  std::list<const PooledFile*> idle_;
  std::size_t open_ = 0;
  std::size_t limit_ = most_open();
};

// Keeps the descriptor open as long as this lives.
class PooledFile::Lease {
 public:
  Lease(const PooledFile& file, int descriptor) : file_(file), descriptor_(descriptor) {}
  ~Lease() { FilePool::one().give_back(file_); }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  int descriptor() const { return descriptor_; }

 private:
  const PooledFile& file_;
  int descriptor_;
};

PooledFile::PooledFile(std::filesystem::path path, std::string label)
    : path_(std::move(path)), label_(std::move(label)) {
  node_ = place_.insert(place_.begin(), this);
}

PooledFile::~PooledFile() { FilePool::one().forget(*this); }

Result<std::shared_ptr<const PooledFile>> PooledFile::open(const std::filesystem::path& path,
                                                           const std::string& label) {
  auto file = std::make_shared<PooledFile>(path, label);
  RQ_TRY(const int descriptor, FilePool::one().take(*file, file->status_));
  const Lease lease(*file, descriptor);
  if (!S_ISREG(file->status_.st_mode)) {
    return corrupt(label + ": expected a regular file, found " + kind_of(file->status_.st_mode));
  }
  return std::shared_ptr<const PooledFile>(std::move(file));
}

Result<void> PooledFile::read_at(std::uint64_t offset, std::span<std::byte> out) const {
  struct stat status = status_;
  RQ_TRY(const int descriptor, FilePool::one().take(*this, status));
  const Lease lease(*this, descriptor);
  if (!is_same(status, status_)) return corrupt(label_ + ": changed while it was read");
  std::size_t done = 0;
  while (done < out.size()) {
    const std::size_t want = std::min(out.size() - done, kMaxRead);
    const ssize_t got =
        ::pread(descriptor, out.data() + done, want, static_cast<off_t>(offset + done));
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
  if (out.size() >= kReadAhead) {
    (void)::posix_fadvise(descriptor, static_cast<off_t>(offset + done),
                          static_cast<off_t>(kReadAhead), POSIX_FADV_WILLNEED);
  }
  return {};
}

}  // namespace requant
