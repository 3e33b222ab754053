#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "base/folder.h"

namespace requant::fuzz {

// A file in memory: its bytes, then up to its size what `rest` makes of a place in the file, zeros
// where there is none. Only what is read has to be made.
struct MemoryFile {
  std::string bytes;
  std::uint64_t size = 0;
  std::function<void(std::uint64_t offset, std::span<char> out)> rest;
};

// A folder in memory, so that no fuzzed input touches a disk.
class MemoryFolder final : public Folder {
 public:
  void add(std::string name, std::string bytes) {
    const std::uint64_t size = bytes.size();
    add(std::move(name), MemoryFile{std::move(bytes), size, {}});
  }
  void add(std::string name, MemoryFile file) {
    files_.insert_or_assign(std::move(name), std::move(file));
  }

  std::string label() const override { return "memory"; }
  bool has(std::string_view name) const override { return files_.contains(name); }
  Result<std::vector<std::string>> names() const override;
  Result<std::vector<std::string>> file_names() const override { return names(); }
  Result<File> open(std::string_view name, std::uint64_t head_bytes) const override;
  int readers() const override { return 1; }

 private:
  std::map<std::string, MemoryFile, std::less<>> files_;
};

}  // namespace requant::fuzz
