#include "arch/family.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "base/embedded.h"
#include "base/json_at.h"

namespace requant {

std::span<const EmbeddedFile> architecture_files();  // made by rq_embed()

namespace {

constexpr std::array kRoles = {std::pair(std::string_view("linear"), Role::kLinear),
                               std::pair(std::string_view("expert"), Role::kExpert),
                               std::pair(std::string_view("embedding"), Role::kEmbedding),
                               std::pair(std::string_view("lm_head"), Role::kLmHead),
                               std::pair(std::string_view("router"), Role::kRouter),
                               std::pair(std::string_view("norm"), Role::kNorm),
                               std::pair(std::string_view("conv"), Role::kConv),
                               std::pair(std::string_view("other"), Role::kOther),
                               std::pair(std::string_view("unknown"), Role::kUnknown)};

constexpr std::array kTowers = {std::pair(std::string_view("language"), Tower::kLanguage),
                                std::pair(std::string_view("vision"), Tower::kVision),
                                std::pair(std::string_view("projector"), Tower::kProjector),
                                std::pair(std::string_view("audio"), Tower::kAudio)};

[[noreturn]] void broken(std::string_view file, std::string_view what) {
  std::fprintf(stderr, "data/architectures/%.*s: %.*s\n", static_cast<int>(file.size()),
               file.data(), static_cast<int>(what.size()), what.data());
  std::abort();
}

const std::vector<Json>& rows_of(const Json& family, std::string_view key) {
  static const std::vector<Json> kNone;
  const Json* list = family.find(key);
  return list == nullptr ? kNone : list->items();
}

template <class Table>
auto named(const Table& table, std::string_view name, std::string_view file) {
  const auto at = std::find_if(table.begin(), table.end(),
                               [&](const auto& entry) { return entry.first == name; });
  if (at == table.end()) broken(file, name);
  return at->second;
}

HoldsRow holds_row(const Json& json, std::string_view file) {
  HoldsRow holds;
  for (const Json& member : rows_of(json, "members")) {
    holds.members.push_back({text_at(member, "name"), text_at(member, "rows")});
    if (holds.members.back().name.empty()) broken(file, "a member without a name");
  }
  if (holds.members.empty()) broken(file, "'holds' without members");
  if (json.find("times") != nullptr) holds.times = text_at(json, "times");
  holds.transposed = flag_at(json, "transposed");
  return holds;
}

ModuleRow module_row(const Json& row, std::string_view file) {
  ModuleRow module;
  module.pattern = text_at(row, "name");
  module.role = named(kRoles, text_at(row, "role"), file);
  if (row.find("tower") != nullptr) module.tower = named(kTowers, text_at(row, "tower"), file);
  module.fused = text_at(row, "fused");
  module.shape = texts_at(row, "shape");
  if (flag_at(row, "required")) module.required = ModuleRow::Required::kYes;
  if (text_at(row, "required") == "untied") module.required = ModuleRow::Required::kUntied;
  if (const Json* holds = row.find("holds")) module.holds = holds_row(*holds, file);
  return module;
}

ConfigRow config_row(const Json& row) {
  ConfigRow config{.key = text_at(row, "key"),
                   .kind = text_at(row, "kind"),
                   .required = flag_at(row, "required"),
                   .max = 0,
                   .of = text_at(row, "of")};
  if (const Json* max = row.find("max")) config.max = max->as_int().value_or(0);
  return config;
}

PartRow part_row(const Json& row, std::string_view file) {
  PartRow part{.prefix = text_at(row, "prefix"),
               .names = {},
               .config = text_at(row, "config"),
               .flat = flag_at(row, "flat"),
               .tower = named(kTowers, text_at(row, "tower"), file),
               .architecture = text_at(row, "architecture")};
  if (const Json* names = row.find("names")) {
    for (const auto& [from, to] : names->members()) {
      part.names.emplace_back(from, to.as_string().value_or(""));
    }
  }
  return part;
}

template <class Row, class Same>
void replace_or_add(std::vector<Row>& rows, Row row, Same same) {
  const auto at = std::find_if(rows.begin(), rows.end(), same);
  if (at == rows.end()) {
    rows.push_back(std::move(row));
  } else {
    *at = std::move(row);
  }
}

void add_rows(Family& family, const Json& json, std::string_view file) {
  for (const Json& row : rows_of(json, "config")) {
    ConfigRow config = config_row(row);
    const auto same = [key = config.key, kind = config.kind](const ConfigRow& old) {
      return old.key == key && old.kind == kind;
    };
    replace_or_add(family.config, std::move(config), same);
  }
  for (const Json& row : rows_of(json, "modules")) {
    ModuleRow module = module_row(row, file);
    const auto same = [pattern = module.pattern](const ModuleRow& old) {
      return old.pattern == pattern;
    };
    replace_or_add(family.modules, std::move(module), same);
  }
  for (const Json& row : rows_of(json, "parts")) family.parts.push_back(part_row(row, file));
}

// `base` is what the file inherits, already merged.
Family read_family(const Json& json, Family base, std::string_view file) {
  Family family = std::move(base);
  if (flag_at(json, "own_modules_only")) family.modules.clear();
  family.name = text_at(json, "name");
  family.architectures = texts_at(json, "architectures");
  family.model_types = texts_at(json, "model_types");
  family.source = text_at(json, "source");
  family.compared = flag_at(json, "compared");
  if (json.find("tied_by_default") != nullptr) {
    family.tied_by_default = flag_at(json, "tied_by_default");
  }
  if (json.find("experts") != nullptr) family.experts = texts_at(json, "experts");
  if (const Json* defaults = json.find("defaults")) {
    for (const auto& [key, value] : defaults->members()) {
      family.defaults.insert_or_assign(key, std::string(value.as_string().value_or("")));
    }
  }
  add_rows(family, json, file);
  if (family.name.empty() || family.source.empty()) broken(file, "no name, or no source");
  return family;
}

struct Pending {
  std::string_view file;
  Json json;
};

// Reads those files whose base is already there; true when any was.
bool read_ready(std::vector<Pending>& pending, std::vector<Family>& read) {
  bool progress = false;
  for (auto at = pending.begin(); at != pending.end();) {
    const std::string inherits = text_at(at->json, "inherits");
    const auto base =
        std::find_if(read.begin(), read.end(), [&](const Family& f) { return f.name == inherits; });
    if (!inherits.empty() && base == read.end()) {
      ++at;
      continue;
    }
    read.push_back(read_family(at->json, inherits.empty() ? Family() : *base, at->file));
    at = pending.erase(at);
    progress = true;
  }
  return progress;
}

std::vector<Family> read_families() {
  std::vector<Pending> pending;
  for (const EmbeddedFile& file : architecture_files()) {
    auto json = parse_json(file.text);
    if (!json) broken(file.name, json.error().message());
    pending.push_back({file.name, *std::move(json)});
  }
  std::vector<Family> read;
  while (!pending.empty()) {
    if (!read_ready(pending, read)) broken(pending.front().file, "inherits what is not there");
  }
  return read;
}

const Family* family_that_lists(std::vector<std::string> Family::*list, std::string_view name) {
  for (const Family& family : families()) {
    const auto& names = family.*list;
    if (std::find(names.begin(), names.end(), name) != names.end()) return &family;
  }
  return nullptr;
}

template <class Table, class Value>
std::string_view name_in(const Table& table, Value value) {
  for (const auto& [name, entry] : table) {
    if (entry == value) return name;
  }
  return "unknown";
}

}  // namespace

std::string_view name_of(Role role) { return name_in(kRoles, role); }
std::string_view name_of(Tower tower) { return name_in(kTowers, tower); }

std::span<const Family> families() {
  static const std::vector<Family> kFamilies = read_families();
  return kFamilies;
}

const Family* family_named(std::string_view name) {
  for (const Family& family : families()) {
    if (family.name == name) return &family;
  }
  return nullptr;
}

const Family* family_of_architecture(std::string_view architecture) {
  return family_that_lists(&Family::architectures, architecture);
}

const Family* family_of_model_type(std::string_view model_type) {
  return family_that_lists(&Family::model_types, model_type);
}

}  // namespace requant
