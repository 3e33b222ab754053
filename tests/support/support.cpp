#include "support/support.h"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>

namespace requant::testing_support {

namespace fs = std::filesystem;

fs::path data_dir() { return REQUANT_TEST_DATA; }

std::vector<fs::path> corpus_folders() {
  std::map<std::string, fs::path> by_name;
  for (const fs::path& root : {data_dir() / "corpus", fs::path(REQUANT_CORPUS)}) {
    if (!fs::is_directory(root)) continue;
    for (const auto& entry : fs::directory_iterator(root)) {
      if (fs::exists(entry.path() / "config.json")) {
        by_name.emplace(entry.path().filename().string(), entry.path());
      }
    }
  }
  std::vector<fs::path> folders;
  for (const auto& [name, path] : by_name) folders.push_back(path);
  return folders;
}

fs::path corpus_folder(std::string_view name) {
  for (const fs::path& root : {data_dir() / "corpus", fs::path(REQUANT_CORPUS)}) {
    for (const char* file : {"config.json", "model.gguf"}) {
      if (fs::exists(root / name / file)) return root / name;
    }
  }
  return {};
}

fs::path corpus_expected(std::string_view name, std::string_view extension) {
  for (const fs::path& root : {data_dir() / "corpus", fs::path(REQUANT_CORPUS)}) {
    const fs::path path = root / "expected" / (std::string(name) + std::string(extension));
    if (fs::exists(path)) return path;
  }
  return {};
}

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (fs::temp_directory_path() / "requant-test-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp " + pattern);
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

void write_file(const fs::path& path, std::string_view bytes) {
  std::ofstream out(path, std::ios::binary);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!out.flush()) throw std::runtime_error("cannot write " + path.string());
}

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path.string());
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

}  // namespace requant::testing_support
