#include "arch/forward.h"

#include <span>
#include <utility>

#include "arch/architecture.h"
#include "arch/config_value.h"
#include "arch/family.h"
#include "base/embedded.h"
#include "base/json_at.h"

namespace requant {

std::span<const EmbeddedFile> architecture_files();  // made by rq_embed()

namespace {

using Texts = std::map<std::string, std::string, std::less<>>;
using Files = std::map<std::string, Json, std::less<>>;

void add_texts(const Json& json, std::string_view key, Texts& texts) {
  const Json* members = json.find(key);
  if (members == nullptr) return;
  for (const auto& [name, value] : members->members()) {
    texts.insert_or_assign(name, std::string(value.as_string().value_or("")));
  }
}

void add_rows(const Files& files, const std::string& name, ForwardRows& rows) {
  const auto file = files.find(name);
  if (file == files.end()) return;
  const std::string base = text_at(file->second, "inherits");
  if (!base.empty()) add_rows(files, base, rows);
  const Json* forward = file->second.find("forward");
  if (forward == nullptr) return;
  add_texts(*forward, "modules", rows.modules);
  add_texts(*forward, "facts", rows.facts);
}

// The data are built in, so what is wrong with them is a broken build.
std::map<std::string, ForwardRows, std::less<>> read_rows() {
  Files files;
  for (const EmbeddedFile& file : architecture_files()) {
    Json json = *parse_json(file.text);
    std::string name = text_at(json, "name");
    files.emplace(std::move(name), std::move(json));
  }
  std::map<std::string, ForwardRows, std::less<>> all;
  for (const auto& [name, json] : files) {
    const Json* forward = json.find("forward");
    if (forward == nullptr) continue;
    ForwardRows rows;
    add_rows(files, name, rows);
    rows.source = text_at(*forward, "source");
    all.emplace(name, std::move(rows));
  }
  return all;
}

using Names = std::vector<std::pair<std::string, std::string>>;

std::string named(const std::string& pattern, const std::string& prefix, const Names& names) {
  for (const auto& [from, to] : names) {
    if (pattern == from || pattern.starts_with(from + ".")) {
      return prefix + to + pattern.substr(from.size());
    }
  }
  return prefix + pattern;
}

// The family of a part whose config is `own`. Some models give their parts the model_type of the
// whole.
const Family* family_of_part(const PartRow& row, const Json& own) {
  const Architecture architecture = Architecture::of(own);
  const Family* family = architecture.known() ? family_named(architecture.name()) : nullptr;
  return family != nullptr && family->parts.empty() ? family : family_named(row.architecture);
}

ForwardPart part_of(const Family& family, const std::string& prefix, const Names& names,
                    const Json& config) {
  ForwardPart part{.family = family.name,
                   .rows = find_forward_rows(family.name),
                   .modules = {},
                   .config = &config,
                   .value_of = key_values(family, config),
                   .tied_by_default = family.tied_by_default};
  if (part.rows == nullptr) return part;
  for (const auto& [what, pattern] : part.rows->modules) {
    part.modules.emplace(what, named(pattern, prefix, names));
  }
  return part;
}

}  // namespace

const ForwardRows* find_forward_rows(std::string_view family) {
  static const auto kRows = read_rows();
  const auto found = kRows.find(family);
  return found == kRows.end() ? nullptr : &found->second;
}

std::vector<ForwardPart> forward_parts(const Json& config) {
  const Architecture architecture = Architecture::of(config);
  const Family* whole = architecture.known() ? family_named(architecture.name()) : nullptr;
  if (whole == nullptr) return {};
  std::vector<ForwardPart> result = {part_of(*whole, "", {}, config)};
  for (const PartRow& row : whole->parts) {
    const Json* own = config.find(row.config);
    if (own == nullptr && row.flat) own = &config;
    const Family* family = own == nullptr ? nullptr : family_of_part(row, *own);
    if (row.tower != Tower::kLanguage || family == nullptr) continue;
    const std::string prefix = row.prefix.empty() ? "" : row.prefix + ".";
    result.push_back(part_of(*family, prefix, row.names, *own));
    result.back().tied_by_default = family->tied_by_default || whole->tied_by_default;
  }
  return result;
}

}  // namespace requant
