#include "base/file.h"

#include <algorithm>
#include <new>
#include <system_error>
#include <utility>

#include "base/pooled_file.h"
#include "base/text.h"

namespace requant {

std::string system_message(int error_number) {
  return std::generic_category().message(error_number);
}

Result<File> File::open(const std::filesystem::path& path, std::string label) {
  if (label.empty()) label = printable(path.string(), 4096);
  RQ_TRY(auto file, PooledFile::open(path, label));
  const auto size = static_cast<std::uint64_t>(file->status().st_size);
  return over(std::move(file), size, std::move(label));
}

File File::over(std::shared_ptr<const ByteSource> source, std::uint64_t size, std::string label) {
  File file;
  file.source_ = std::move(source);
  file.size_ = size;
  file.label_ = std::move(label);
  return file;
}

Result<void> File::read_at(std::uint64_t offset, std::span<std::byte> out) const {
  return source_->read_at(offset, out);
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
  // Whoever looks beside a checkpoint takes an error for one of the file, which this is none.
  auto buffer = Buffer::allocate(file.size());
  if (!buffer) throw std::bad_alloc();
  RQ_CHECK(file.read_at(0, buffer->span()));
  return std::move(*buffer).freeze();
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
