#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>

#include "base/folder.h"

namespace requant::fuzz {

// A file in memory: its bytes, then zeros up to its size, which nothing has to hold.
struct MemoryFile {
  std::string bytes;
  std::uint64_t size = 0;
};

// A folder in memory, so that no fuzzed input touches a disk.
class MemoryFolder final : public Folder {
 public:
  void add(std::string name, std::string bytes) {
    const std::uint64_t size = bytes.size();
    add(std::move(name), MemoryFile{std::move(bytes), size});
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
