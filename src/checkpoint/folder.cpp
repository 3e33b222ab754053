#include "checkpoint/folder.h"

#include <algorithm>
#include <set>

#include "base/file.h"
#include "base/text.h"

namespace requant {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kConfigLimit = std::uint64_t{16} << 20;

constexpr const char* kSideFiles[] = {"generation_config.json", "hf_quant_config.json",
                                      "quant_config.json", "quantize_config.json", "requant.json"};

Result<Json> read_json(const fs::path& path, const std::string& label, bool* is_ascii = nullptr) {
  RQ_TRY(const Bytes bytes, read_small_file(path, kConfigLimit, label));
  RQ_TRY_IN(auto json, parse_json(bytes.text(), {.bytes = kConfigLimit}), label);
  if (is_ascii != nullptr) {
    const std::string_view text = bytes.text();
    *is_ascii = std::all_of(text.begin(), text.end(),
                            [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  }
  return json;
}

}  // namespace

Result<std::optional<ConfigFile>> read_config(const fs::path& folder) {
  const fs::path path = folder / "config.json";
  std::error_code ignored;
  if (fs::symlink_status(path, ignored).type() == fs::file_type::not_found) {
    return std::optional<ConfigFile>();
  }
  ConfigFile file;
  RQ_TRY(file.json, read_json(path, "config.json", &file.is_ascii));
  if (!file.json.is_object()) return corrupt("config.json: is no object");
  return std::optional(std::move(file));
}

std::map<std::string, Json> read_side_files(const fs::path& folder,
                                            std::vector<Finding>& findings) {
  std::map<std::string, Json> side;
  for (const char* name : kSideFiles) {
    std::error_code ignored;
    if (fs::symlink_status(folder / name, ignored).type() == fs::file_type::not_found) continue;
    auto json = read_json(folder / name, name);
    if (json && json->is_object()) {
      side.emplace(name, *std::move(json));
      continue;
    }
    Finding& finding = findings.emplace_back();
    finding.severity = Severity::kError;
    finding.rule = "file.not-json";
    finding.where = name;
    finding.message = json ? "is no object" : json.error().message();
  }
  return side;
}

Result<std::vector<std::string>> other_files(const fs::path& folder, const Source& source) {
  std::set<std::string> weights;
  for (const File& file : source.files()) weights.insert(fs::path(file.label()).filename());
  RQ_TRY(std::vector<std::string> names, file_names_in(folder));
  std::erase_if(names, [&](const std::string& name) {
    return weights.contains(name) || name.ends_with(".safetensors.index.json") ||
           name.ends_with(".bin.index.json");
  });
  return names;
}

}  // namespace requant
