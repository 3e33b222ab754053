#include "base/folder.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "base/threads.h"

namespace requant {
namespace {

namespace fs = std::filesystem;

class DiskFolder final : public Folder {
 public:
  explicit DiskFolder(fs::path path) : path_(std::move(path)) {}

  std::string label() const override { return printable(path_.string(), 4096); }
  bool has(std::string_view name) const override {
    std::error_code ignored;
    return fs::symlink_status(path_ / name, ignored).type() != fs::file_type::not_found;
  }
  Result<std::vector<std::string>> names() const override {
    std::vector<std::string> names;
    std::error_code error;
    for (fs::directory_iterator entry(path_, error), end; !error && entry != end;
         entry.increment(error)) {
      names.push_back(entry->path().filename().string());
    }
    if (error) return resource(label() + ": " + error.message());
    std::ranges::sort(names);
    return names;
  }
  Result<std::vector<std::string>> file_names() const override { return file_names_in(path_); }
  Result<File> open(std::string_view name, std::uint64_t) const override {
    return File::open(path_ / name, printable(name));
  }
  int readers() const override { return thread_limit(); }

 private:
  fs::path path_;
};

}  // namespace

bool is_address(std::string_view path) {
  const std::size_t colon = path.find("://");
  if (colon == std::string_view::npos || colon == 0) return false;
  return std::all_of(path.begin(), path.begin() + static_cast<std::ptrdiff_t>(colon), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '-' || c == '.';
  });
}

std::shared_ptr<const Folder> Folder::on_disk(fs::path path) {
  return std::make_shared<DiskFolder>(std::move(path));
}

}  // namespace requant
