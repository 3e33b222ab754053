#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace requant::testing_support {

// tests/data of this tree.
std::filesystem::path data_dir();

// Folders of checkpoints, by name: those kept in tests/data/corpus and, where it is found, those of
// the whole corpus. Never empty.
std::vector<std::filesystem::path> corpus_folders();

// The corpus folder of that name, or an empty path when only a part of the corpus is at hand.
std::filesystem::path corpus_folder(std::string_view name);

// What the writing tool decodes the folder of that name to (corpus/expected), or an empty path.
std::filesystem::path corpus_expected(std::string_view name, std::string_view extension);

// A fresh folder that is removed with this object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

void write_file(const std::filesystem::path& path, std::string_view bytes);
std::string read_file(const std::filesystem::path& path);

// "00ff" -> "\x00\xff".
std::string from_hex(std::string_view hex);

}  // namespace requant::testing_support
