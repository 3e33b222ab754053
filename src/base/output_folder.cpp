#include "base/output_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>
#include <vector>

#include "base/descriptor_io.h"
#include "base/file.h"
#include "base/hash_file.h"
#include "base/signals.h"
#include "base/text.h"
#include "base/threads.h"

namespace requant {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kLockName = "lock";
constexpr std::string_view kStagingName = "new";
constexpr std::string_view kReplacedName = "old";
constexpr std::string_view kJournalName = "journal";
constexpr int kLockAttempts = 100;  // each loses against a run that has just ended

std::string shown(const fs::path& path) { return printable(path.string(), 4096); }

class Descriptor {
 public:
  explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
  ~Descriptor() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return descriptor_; }
  bool close() { return ::close(std::exchange(descriptor_, -1)) == 0; }

 private:
  int descriptor_;
};

Result<void> make_folders(const fs::path& path) {
  std::error_code failed;
  fs::create_directories(path, failed);
  if (failed) return io_error(path, "creating the folder", failed.value());
  return {};
}

// Makes a new file and fills it by fill(descriptor).
template <class Fill>
Result<void> make_file(const fs::path& path, const Fill& fill) {
  RQ_CHECK(make_folders(path.parent_path()));
  Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (file.get() < 0) return io_error(path, "creating it", errno);
  RQ_CHECK(fill(file.get()));
  if (::fsync(file.get()) != 0) return io_error(path, "fsync", errno);
  if (!file.close()) return io_error(path, "closing it", errno);
  return {};
}

bool lies_in(const fs::path& inner, const fs::path& outer) {
  return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

// The path without links and "..", whether or not anything is there.
fs::path resolved(const fs::path& path) {
  std::error_code failed;
  fs::path whole = fs::weakly_canonical(fs::absolute(path, failed), failed);
  if (failed) whole = fs::absolute(path, failed).lexically_normal();
  return whole.has_filename() ? whole : whole.parent_path();
}

Error earlier_result(const fs::path& out) {
  return refused(shown(out) + ": holds an earlier result; --overwrite replaces it");
}

fs::path nearest_there(fs::path path) {
  std::error_code failed;
  while (!fs::exists(path, failed) && path.has_relative_path()) path = path.parent_path();
  return path;
}

// Whether nothing is in the folder but what a run puts there.
bool is_ours(const fs::path& partial) {
  std::error_code failed;
  for (fs::directory_iterator it(partial, failed), end; !failed && it != end;
       it.increment(failed)) {
    const std::string name = it->path().filename().string();
    const auto names = {kLockName, kStagingName, kReplacedName};
    const bool known = std::find(names.begin(), names.end(), name) != names.end();
    if (!known && !name.starts_with(kJournalName)) return false;
  }
  return true;
}

bool is_empty_folder(const fs::path& path) {
  std::error_code failed;
  return fs::is_empty(path, failed) && !failed;
}

}  // namespace

Result<void> sync_folder(const fs::path& path) {
  const Descriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0) return io_error(path, "opening the folder", errno);
  if (::fsync(folder.get()) != 0) return io_error(path, "fsync", errno);
  return {};
}

namespace {

Result<void> sync_tree(const fs::path& root) {
  std::error_code failed;
  for (fs::recursive_directory_iterator it(root, failed), end; !failed && it != end;
       it.increment(failed)) {
    if (it->is_directory(failed)) RQ_CHECK(sync_folder(it->path()));
  }
  if (failed) return io_error(root, "listing the folder", failed.value());
  return sync_folder(root);
}

}  // namespace

Result<Place> look_at_output(const fs::path& out, const OutputRules& rules) {
  if (out.empty()) return usage("no output folder was given");
  const fs::path target = resolved(out);
  if (target == target.root_path()) return usage(shown(out) + ": cannot be an output");
  const fs::path input = resolved(rules.input);
  if (!rules.input.empty()) {
    if (target == input) return usage(shown(out) + ": is the input, nothing is written in place");
    if (lies_in(target, input)) return usage(shown(out) + ": lies inside the input");
    if (lies_in(input, target)) return usage(shown(out) + ": holds the input");
  }
  std::error_code failed;
  const auto status = fs::symlink_status(out.has_filename() ? out : out.parent_path(), failed);
  if (status.type() == fs::file_type::not_found) return Place::kFree;
  if (fs::is_symlink(status)) return usage(shown(out) + ": is a symbolic link");
  if (!fs::is_directory(status)) return usage(shown(out) + ": is there and is no folder");
  if (is_empty_folder(target)) return Place::kFree;
  if (!fs::is_regular_file(target / rules.receipt, failed)) {
    return refused(
        fmt::format("{}: is not empty and has no {}, so requant did not write it; "
                    "remove it or choose another output",
                    shown(out), rules.receipt));
  }
  return Place::kEarlierOurs;
}

Result<void> check_output(const fs::path& out, const OutputRules& rules) {
  RQ_TRY(const Place place, look_at_output(out, rules));
  if (place == Place::kFree || rules.overwrite) return {};
  return earlier_result(out);
}

Result<OutputFolder> OutputFolder::begin(const fs::path& out, const OutputRules& rules) {
  RQ_CHECK(look_at_output(out, rules));
  OutputFolder folder;
  folder.out_ = resolved(out);
  folder.partial_ = folder.out_.string() + ".requant-partial";
  folder.staging_ = folder.partial_ / kStagingName;
  folder.overwrite_ = rules.overwrite;
  folder.known_ = nearest_there(folder.out_.parent_path());
  RQ_CHECK(make_folders(folder.out_.parent_path()));
  RQ_CHECK(folder.lock());
  RQ_CHECK(folder.put_back_replaced());
  RQ_TRY(folder.place_, look_at_output(out, rules));  // another run may have ended meanwhile
  RQ_CHECK(make_folders(folder.staging_));
  set_last_words(
      "error: interrupted; what was complete is kept, the same command goes on from there\n");
  return folder;
}

fs::path OutputFolder::journal() const { return partial_ / kJournalName; }

Error OutputFolder::refuse_earlier() const { return earlier_result(out_); }

// A run that ends removes its lock file, so a lock counts only while its file is still the one that
// the path names.
Result<void> OutputFolder::lock() {
  const fs::path path = partial_ / kLockName;
  for (int attempt = 0; attempt < kLockAttempts; ++attempt) {
    if (::mkdir(partial_.c_str(), 0777) != 0 && errno != EEXIST) {
      return io_error(partial_, "creating the folder", errno);
    }
    std::error_code failed;
    if (!fs::is_directory(fs::symlink_status(partial_, failed))) {
      if (failed || fs::symlink_status(partial_, failed).type() == fs::file_type::not_found)
        continue;
      return refused(shown(partial_) + ": is no folder; remove it");
    }
    if (!is_ours(partial_)) {
      return refused(shown(partial_) + ": was not made by requant; remove it");
    }
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (file < 0 && errno == ENOENT) continue;
    if (file < 0) return io_error(path, "creating it", errno);
    if (::flock(file, LOCK_EX | LOCK_NB) != 0) {
      const int reason = errno;
      ::close(file);
      if (reason == EWOULDBLOCK) return resource(shown(out_) + ": another requant is writing it");
      return io_error(path, "locking it", reason);
    }
    struct stat held {};
    struct stat named {};
    const bool same = ::fstat(file, &held) == 0 && ::stat(path.c_str(), &named) == 0 &&
                      held.st_ino == named.st_ino && held.st_dev == named.st_dev;
    if (same) {
      lock_ = file;
      return {};
    }
    ::close(file);
  }
  return resource(shown(out_) + ": other runs keep writing it");
}

// A run that replaced an earlier result was killed between the two renames that this took.
Result<void> OutputFolder::put_back_replaced() const {
  const fs::path old = partial_ / kReplacedName;
  std::error_code failed;
  if (!fs::exists(old, failed) || fs::exists(out_, failed)) return {};
  fs::rename(old, out_, failed);
  if (failed) return io_error(old, "moving it back", failed.value());
  return {};
}

Result<void> OutputFolder::keep_only(const std::vector<std::string>& names) const {
  std::error_code failed;
  std::vector<fs::path> stale;
  const auto look = [&](const fs::path& folder, const auto& is_kept) {
    for (fs::directory_iterator it(folder, failed), end; !failed && it != end;
         it.increment(failed)) {
      if (!is_kept(it->path().filename().string())) stale.push_back(it->path());
    }
  };
  look(partial_, [](const std::string& name) {
    return name == kLockName || name == kJournalName || name == kStagingName;
  });
  if (!failed) {
    look(staging_, [&](const std::string& name) {
      return std::find(names.begin(), names.end(), name) != names.end();
    });
  }
  for (const fs::path& path : stale) {
    if (!failed) fs::remove_all(path, failed);
  }
  if (failed) return io_error(partial_, "removing what a killed run left", failed.value());
  return {};
}

OutputFolder::OutputFolder(OutputFolder&& other) noexcept
    : out_(std::move(other.out_)),
      partial_(std::move(other.partial_)),
      staging_(std::move(other.staging_)),
      known_(std::move(other.known_)),
      overwrite_(other.overwrite_),
      place_(other.place_),
      leaves_(other.leaves_),
      lock_(std::exchange(other.lock_, -1)) {}

OutputFolder::~OutputFolder() {
  // What cannot be removed for want of memory is what a killed run leaves.
  (void)or_out_of_memory([&]() -> Result<void> {
    if (!leaves_) remove_partial();
    return {};
  });
  if (lock_ >= 0) ::close(lock_);
}

// The lock file goes last, under the lock: whoever opens it afterwards makes a new one. Where the
// rest cannot be removed it stays, as the mark by which the next run knows the folder for one of
// ours.
void OutputFolder::remove_partial() {
  if (lock_ < 0) return;
  std::error_code failed;
  std::vector<fs::path> found;
  for (fs::directory_iterator it(partial_, failed), end; !failed && it != end;
       it.increment(failed)) {
    if (it->path().filename() != kLockName) found.push_back(it->path());
  }
  for (const fs::path& path : found) {
    if (!failed) fs::remove_all(path, failed);
  }
  if (!failed) {
    ::unlink((partial_ / kLockName).c_str());
    ::rmdir(partial_.c_str());
  }
  ::close(std::exchange(lock_, -1));
}

Result<void> OutputFolder::require_space(std::uint64_t bytes) const {
  struct statvfs disk {};
  if (::statvfs(partial_.c_str(), &disk) != 0) return io_error(partial_, "statvfs", errno);
  const std::uint64_t free_bytes = std::uint64_t{disk.f_bavail} * disk.f_frsize;
  if (bytes <= free_bytes) return {};
  return resource(fmt::format("{}: the disk has {} left, the output needs {}", shown(out_),
                              human_bytes(free_bytes), human_bytes(bytes)));
}

Result<void> OutputFolder::write(std::string_view name, std::span<const std::byte> bytes) const {
  const fs::path path = staging_ / name;
  return make_file(path, [&](int file) { return write_all(path, file, bytes); });
}

Result<std::string> OutputFolder::copy(const fs::path& from, std::string_view name) const {
  const fs::path path = staging_ / name;
  RQ_TRY(const File source, File::open(from));
  std::string sha256;
  RQ_CHECK(make_file(path, [&](int file) -> Result<void> {
    RQ_TRY(sha256, sha256_hex(source, 0, source.size(), [&](std::span<const std::byte> piece) {
             return write_all(path, file, piece);
           }));
    return {};
  }));
  return sha256;
}

Result<void> OutputFolder::put_in_place() const {
  std::error_code failed;
  const bool replaces = fs::exists(out_, failed) && !is_empty_folder(out_);
  if (replaces) {
    if (::renameat2(AT_FDCWD, staging_.c_str(), AT_FDCWD, out_.c_str(), RENAME_EXCHANGE) == 0) {
      return {};
    }
    if (errno != EINVAL && errno != ENOSYS) return io_error(out_, "replacing it", errno);
    const fs::path old = partial_ / kReplacedName;
    if (::rename(out_.c_str(), old.c_str()) != 0) return io_error(out_, "moving it away", errno);
    if (::rename(staging_.c_str(), out_.c_str()) != 0) {
      const int reason = errno;
      if (::rename(old.c_str(), out_.c_str()) != 0) return io_error(old, "moving it back", errno);
      return io_error(out_, "replacing it", reason);
    }
    return {};
  }
  if (::rename(staging_.c_str(), out_.c_str()) != 0) return io_error(out_, "renaming to it", errno);
  return {};
}

Result<void> OutputFolder::commit() {
  if (place_ == Place::kEarlierOurs && !overwrite_) return refuse_earlier();
  leaves_ = true;  // whole but for its name
  RQ_CHECK(sync_tree(staging_));
  RQ_CHECK(put_in_place());
  auto safe = make_name_safe();
  leaves_ = false;
  remove_partial();
  return safe;
}

// The folder's entry, and those of the folders above it that were made for it.
Result<void> OutputFolder::make_name_safe() const {
  for (fs::path path = out_.parent_path();; path = path.parent_path()) {
    RQ_CHECK(sync_folder(path));
    if (path == known_ || !path.has_relative_path()) return {};
  }
}

}  // namespace requant
