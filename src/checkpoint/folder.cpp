#include "checkpoint/folder.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "base/file.h"
#include "base/text.h"

namespace requant {
namespace {

constexpr std::uint64_t kConfigLimit = std::uint64_t{16} << 20;

constexpr std::string_view kReceipt = "requant.json";
constexpr std::uint64_t kReceiptHeadLimit = std::uint64_t{1} << 20;
constexpr std::string_view kReceiptTensors = ",\n  \"tensors\": [";

constexpr std::string_view kSideFiles[] = {"generation_config.json", "hf_quant_config.json",
                                           "quant_config.json", "quantize_config.json", kReceipt};

// Said to be there, not read.
constexpr const char* kOtherFiles[] = {"LICENSE",
                                       "README.md",
                                       "chat_template.jinja",
                                       "chat_template.json",
                                       "merges.txt",
                                       "preprocessor_config.json",
                                       "processor_config.json",
                                       "recipe.yaml",
                                       "special_tokens_map.json",
                                       "spiece.model",
                                       "tekken.json",
                                       "tiktoken.model",
                                       "tokenizer.json",
                                       "tokenizer.model",
                                       "tokenizer_config.json",
                                       "video_preprocessor_config.json",
                                       "vocab.json",
                                       "vocab.txt"};

Result<Json> read_json(const Folder& folder, std::string_view name, bool* is_ascii = nullptr) {
  RQ_TRY(const File file, folder.open(name));
  RQ_TRY(const Bytes bytes, read_small_file(file, kConfigLimit));
  RQ_TRY_IN(auto json, parse_json(bytes.text(), {.bytes = kConfigLimit}), file.label());
  if (is_ascii != nullptr) {
    const std::string_view text = bytes.text();
    *is_ascii = std::all_of(text.begin(), text.end(),
                            [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  }
  return json;
}

// A receipt has a line for every tensor, so it may be larger than other side files; what concerns
// the checkpoint as a whole stands before them.
Result<Json> read_receipt_head(const File& file) {
  RQ_TRY(const Bytes bytes, file.read_at(0, std::min(file.size(), kReceiptHeadLimit)));
  const std::size_t end = bytes.text().find(kReceiptTensors);
  if (end == std::string_view::npos) {
    return corrupt(file.label() + ": no receipt, and larger than other side files may be");
  }
  RQ_TRY_IN(auto json, parse_json(std::string(bytes.text().substr(0, end)) + "\n}"), file.label());
  return json;
}

Result<Json> read_side_file(const Folder& folder, std::string_view name) {
  if (name != kReceipt) return read_json(folder, name);
  RQ_TRY(const File file, folder.open(name));
  return file.size() <= kConfigLimit ? read_json(folder, name) : read_receipt_head(file);
}

}  // namespace

Result<std::optional<ConfigFile>> read_config(const Folder& folder) {
  if (!folder.has("config.json")) return std::optional<ConfigFile>();
  ConfigFile file;
  RQ_TRY(file.json, read_json(folder, "config.json", &file.is_ascii));
  if (!file.json.is_object()) return corrupt("config.json: is no object");
  return std::optional(std::move(file));
}

std::map<std::string, Json> read_side_files(const Folder& folder, std::vector<Finding>& findings) {
  std::map<std::string, Json> side;
  for (const std::string_view name : kSideFiles) {
    if (!folder.has(name)) continue;
    auto json = read_side_file(folder, name);
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

Result<std::vector<std::string>> other_files(const Folder& folder, const Source& source) {
  std::set<std::string> weights;
  for (const File& file : source.files()) weights.insert(file.label());
  RQ_TRY(std::vector<std::string> names, folder.file_names());
  std::erase_if(names, [&](const std::string& name) {
    return weights.contains(name) || name.ends_with(".safetensors.index.json") ||
           name.ends_with(".bin.index.json");
  });
  return names;
}

std::vector<std::string> usual_file_names() {
  std::vector<std::string> names = {"config.json"};
  for (const Container* container : containers()) {
    names.insert(names.end(), container->index_names.begin(), container->index_names.end());
    names.insert(names.end(), container->file_names.begin(), container->file_names.end());
  }
  names.insert(names.end(), std::begin(kSideFiles), std::end(kSideFiles));
  names.insert(names.end(), std::begin(kOtherFiles), std::end(kOtherFiles));
  return names;
}

}  // namespace requant
