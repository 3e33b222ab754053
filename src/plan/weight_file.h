#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "container/writer.h"

namespace requant {

// Bytes that direct writes must be aligned to, in the file and in memory: the block size of every
// file system that matters here, and a page.
constexpr std::size_t kDirectAlignment = 4096;

// A safetensors file that is filled from several threads, past the page cache where the bytes allow
// it: then nothing is copied, nothing waits to be flushed at the end, and other programs keep their
// cache. The header is written last, when the data is safe; until then no reader takes the file for
// a checkpoint.
class WeightFile {
 public:
  // Creates `path`, which must not exist, and claims the disk space.
  static Result<WeightFile> create(const std::filesystem::path& path,
                                   std::span<const PlannedTensor> tensors);
  WeightFile(WeightFile&& other) noexcept;
  WeightFile& operator=(WeightFile&&) = delete;
  ~WeightFile();

  // Where the data of the tensor at that index begins in the file.
  std::uint64_t offset_of(std::size_t tensor) const { return offsets_[tensor]; }

  // Writes at that place of the file. Fastest where address and offset are equal modulo
  // kDirectAlignment.
  Result<void> write(std::uint64_t offset, std::span<const std::byte> bytes) const;

  // Starts to flush what went through the page cache.
  void start_writeback() const;

  // Makes data and header safe on the disk, and closes.
  Result<void> finish();

 private:
  WeightFile() = default;
  Result<void> write_cached(std::uint64_t offset, std::span<const std::byte> bytes) const;
  std::size_t write_direct(std::uint64_t offset, std::span<const std::byte> bytes) const;
  Error error(std::string_view doing, int error_number) const;

  std::filesystem::path path_;
  std::string header_;
  std::vector<std::uint64_t> offsets_;
  int cached_ = -1;
  int direct_ = -1;  // -1: the file system has no direct writes
};

}  // namespace requant
