#include "memory_folder.h"

#include <algorithm>
#include <cstring>

namespace requant::fuzz {
namespace {

// REQUIRES: the file outlives this.
class MemorySource final : public ByteSource {
 public:
  explicit MemorySource(const MemoryFile& file) : file_(file) {}

  Result<void> read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    if (offset > file_.size || out.size() > file_.size - offset) return corrupt("past the end");
    if (out.empty()) return {};
    const std::uint64_t held = file_.bytes.size();
    const std::uint64_t there =
        offset < held ? std::min<std::uint64_t>(held - offset, out.size()) : 0;
    if (there > 0) std::memcpy(out.data(), file_.bytes.data() + offset, there);
    std::memset(out.data() + there, 0, out.size() - there);
    if (file_.rest && there < out.size()) {
      auto* chars = static_cast<char*>(static_cast<void*>(out.data()));
      file_.rest(offset + there, {chars + there, out.size() - there});
    }
    return {};
  }

 private:
  const MemoryFile& file_;
};

}  // namespace

Result<std::vector<std::string>> MemoryFolder::names() const {
  std::vector<std::string> names;
  for (const auto& [name, file] : files_) names.push_back(name);
  return names;
}

Result<File> MemoryFolder::open(std::string_view name, std::uint64_t) const {
  const auto at = files_.find(name);
  if (at == files_.end()) return not_found(std::string(name) + ": no such file");
  return File::over(std::make_shared<MemorySource>(at->second), at->second.size, std::string(name));
}

}  // namespace requant::fuzz
