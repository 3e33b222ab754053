#pragma once

#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <list>
#include <memory>
#include <string>

#include "base/file.h"

namespace requant {

// A regular file of this machine, open for reading. Where many are open, the descriptor of one that
// nobody reads may be closed; it is opened again when it is read, and must be the same file then.
// After a piece of a megabyte the disk is told to fetch the next one.
class PooledFile final : public ByteSource {
 public:
  // Errors are those of File::open(), whose messages name the file by `label`.
  static Result<std::shared_ptr<const PooledFile>> open(const std::filesystem::path& path,
                                                        const std::string& label);
  PooledFile(std::filesystem::path path, std::string label);
  ~PooledFile() override;
  PooledFile(const PooledFile&) = delete;
  PooledFile& operator=(const PooledFile&) = delete;

  const struct stat& status() const { return status_; }
  Result<void> read_at(std::uint64_t offset, std::span<std::byte> out) const override;

 private:
  friend class FilePool;
  class Lease;

  std::filesystem::path path_;
  std::string label_;
  struct stat status_ {};
  // The pool's mutex guards the rest.
  mutable int descriptor_ = -1;
  mutable int users_ = 0;
  // One node, here or in the pool's list.
  mutable std::list<const PooledFile*> place_;
  std::list<const PooledFile*>::iterator node_;
};

}  // namespace requant
