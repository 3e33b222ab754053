#include "plan/side_files.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/text.h"

namespace requant {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kTemplates = "additional_chat_templates";

// Shell patterns.
constexpr const char* kTokenizerFiles[] = {
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    "tokenizer.model*",
    "*.tiktoken",
    "*.model",
    "chat_template.json",
    "chat_template*.jinja",
    "preprocessor_config.json",
    "processor_config.json",
    "video_preprocessor_config.json",
};
constexpr const char* kModelFiles[] = {
    "generation_config.json", "configuration.json", "*.py", "LICENSE*", "NOTICE*", "USE_POLICY*",
};

struct Stale {
  const char* pattern;
  std::string_view reason;
};
constexpr Stale kStale[] = {
    {"config.json", {}},
    {"README.md", {}},
    {"requant.json", {}},
    {"quantize_config.json", "states the old quantisation"},
    {"quant_config.json", "states the old quantisation"},
    {"hf_quant_config.json", "states the old quantisation"},
    {"recipe.yaml", "states the old quantisation"},
    {"imatrix*", "belongs to the old quantisation"},
    {"*_stats.pth", "belongs to the old quantisation"},
    {"*.index.json", "lists the old shards"},
    {"*.safetensors", "replaced"},
    {"*.bin", "another weight format"},
    {"*.pth", "another weight format"},
    {"*.pt", "another weight format"},
    {"*.gguf", "another weight format"},
    {"consolidated*", "another weight format"},
    {".*", "hidden"},
};

bool matches(const char* pattern, const std::string& name) {
  return ::fnmatch(pattern, name.c_str(), 0) == 0;
}

template <std::size_t N>
bool matches_any(const char* const (&patterns)[N], const std::string& name) {
  return std::any_of(std::begin(patterns), std::end(patterns),
                     [&](const char* pattern) { return matches(pattern, name); });
}

SideFile copy_of(const fs::path& folder, std::string name, std::string reason = {}) {
  fs::path from = folder / name;
  return {.name = std::move(name),
          .action = FileAction::kCopy,
          .from = std::move(from),
          .content = {},
          .reason = std::move(reason)};
}

SideFile drop(std::string name, std::string_view reason) {
  return {.name = std::move(name),
          .action = FileAction::kDrop,
          .from = {},
          .content = {},
          .reason = std::string(reason)};
}

void plan_file(const Checkpoint& checkpoint, const std::string& name, bool own_tokenizer,
               std::vector<SideFile>& files) {
  const auto stale = std::ranges::find_if(
      kStale, [&](const Stale& entry) { return matches(entry.pattern, name); });
  if (stale != std::end(kStale)) {
    if (!stale->reason.empty()) files.push_back(drop(name, stale->reason));
  } else if (matches_any(kTokenizerFiles, name)) {
    files.push_back(own_tokenizer ? copy_of(checkpoint.root(), name)
                                  : drop(name, "--tokenizer-from replaces it"));
  } else if (matches_any(kModelFiles, name)) {
    files.push_back(copy_of(checkpoint.root(), name));
  } else {
    files.push_back(drop(name, "not a file that engines read"));
  }
}

Result<void> plan_templates(const fs::path& folder, std::vector<SideFile>& files) {
  RQ_TRY(const std::vector<std::string> names, file_names_in(folder / kTemplates));
  for (const std::string& name : names) {
    if (matches("*.jinja", name)) {
      files.push_back(copy_of(folder, std::string(kTemplates) + "/" + name));
    }
  }
  return {};
}

// Puts the tokenizer and processor files of `folder` in the place of the source's.
Result<void> take_tokenizer(const fs::path& folder, std::vector<SideFile>& files) {
  std::error_code failed;
  if (!fs::is_directory(folder, failed)) {
    return not_found(printable(folder.string(), 4096) + ": is no folder");
  }
  RQ_TRY(const std::vector<std::string> names, file_names_in(folder));
  std::vector<SideFile> taken;
  for (const std::string& name : names) {
    if (matches_any(kTokenizerFiles, name)) {
      taken.push_back(copy_of(folder, name, "from --tokenizer-from"));
    }
  }
  if (taken.empty()) return refused(printable(folder.string(), 4096) + ": has no tokenizer files");
  std::erase_if(files, [&](const SideFile& file) {
    return std::ranges::any_of(taken, [&](const SideFile& t) { return t.name == file.name; });
  });
  std::ranges::move(taken, std::back_inserter(files));
  return {};
}

}  // namespace

Result<std::vector<SideFile>> plan_side_files(const Checkpoint& checkpoint,
                                              const fs::path& tokenizer_from) {
  const bool own_tokenizer = tokenizer_from.empty();
  std::vector<SideFile> files;
  for (const std::string& name : checkpoint.files()) {
    plan_file(checkpoint, name, own_tokenizer, files);
  }
  if (!own_tokenizer) RQ_CHECK(take_tokenizer(tokenizer_from, files));
  RQ_CHECK(plan_templates(own_tokenizer ? checkpoint.root() : tokenizer_from, files));
  return files;
}

}  // namespace requant
