#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace requant {

// Bytes that are read by position.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Fills `out` from `offset`. Several threads may call it at once. Messages name the source.
  virtual Result<void> read_at(std::uint64_t offset, std::span<std::byte> out) const = 0;
};

// A regular file, open for reading by position. Safe to use from several threads at once.
// Files are read with pread, never mapped: a file that shrinks while it is read gives an error, not
// a signal.
class File {
 public:
  // Refuses what is not a regular file (folders, FIFOs, devices) without blocking on it. Symbolic
  // links are followed. Messages name the file by `label`, or by its path when that is empty.
  static Result<File> open(const std::filesystem::path& path, std::string label = {});

  // `size` bytes that are read through `source`.
  static File over(std::shared_ptr<const ByteSource> source, std::uint64_t size, std::string label);

  File() = default;
  File(File&&) = default;
  File& operator=(File&&) = default;

  const std::string& label() const { return label_; }
  std::uint64_t size() const { return size_; }

  // Fills `out` from `offset`; kCorrupt when the file ends before.
  Result<void> read_at(std::uint64_t offset, std::span<std::byte> out) const;
  Result<Bytes> read_at(std::uint64_t offset, std::uint64_t size) const;

 private:
  std::uint64_t size_ = 0;
  std::string label_;
  std::shared_ptr<const ByteSource> source_;
};

// The whole of a file. kRefused when it is larger than `limit`.
Result<Bytes> read_small_file(const File& file, std::uint64_t limit);
// The whole of a small file. kRefused when it is larger than `limit`.
Result<Bytes> read_small_file(const std::filesystem::path& path, std::uint64_t limit,
                              std::string label = {});

// The names of the regular files directly in `folder`, sorted; none where there is no such folder.
// kResource when it cannot be listed: its files would go missing without a word.
Result<std::vector<std::string>> file_names_in(const std::filesystem::path& folder);

// "No space left on device" for the errno given.
std::string system_message(int error_number);

}  // namespace requant
