#include "arch/architecture.h"

#include <algorithm>

#include "arch/data.h"
#include "arch/guess.h"

namespace requant {
namespace {

// Keys under which models of several parts keep the config of their language model.
constexpr std::string_view kLanguageKeys[] = {"text_config", "llm_config", "language_config"};

const Family* family_of(const Json& config) {
  if (const Json* list = config.find("architectures")) {
    for (const Json& item : list->items()) {
      if (const Family* family = family_of_architecture(item.as_string().value_or(""))) {
        return family;
      }
    }
  }
  const Json* type = config.find("model_type");
  return type == nullptr ? nullptr : family_of_model_type(type->as_string().value_or(""));
}

void add_part(Architecture::Data& data, Architecture::Data::Part part) {
  const std::size_t index = data.parts.size();
  for (const ModuleRow& row : part.family->modules) {
    data.patterns.add(part.prefix + row.pattern, data.rows.size());
    if (row.holds) {
      for (const HoldsRow::Member& member : row.holds->members) {
        data.members.add(part.prefix + member_pattern(row, member), data.rows.size());
      }
    }
    data.rows.push_back({&row, index});
  }
  data.parts.push_back(std::move(part));
}

const Family* family_of_part(const PartRow& row, const Json& config) {
  const Json* sub_config = config.find(row.config);
  const Family* family = sub_config == nullptr ? nullptr : family_of(*sub_config);
  // Some models give their parts the model_type of the whole.
  if (family != nullptr && family->parts.empty()) return family;
  return family_named(row.architecture);
}

std::string renamed(const std::string& pattern, const PartRow& row) {
  for (const auto& [from, to] : row.names) {
    if (pattern == from || pattern.starts_with(from + ".")) return to + pattern.substr(from.size());
  }
  return pattern;
}

void add_part(Architecture::Data& data, const PartRow& row, const Json& config) {
  const Family* family = family_of_part(row, config);
  if (family == nullptr) return;
  if (!row.names.empty()) {
    Family& own = data.renamed.emplace_back(*family);
    for (ModuleRow& module : own.modules) module.pattern = renamed(module.pattern, row);
    family = &own;
  }
  const bool is_flat = row.flat && config.find(row.config) == nullptr;
  add_part(data, {.family = family,
                  .prefix = row.prefix.empty() ? "" : row.prefix + ".",
                  .config = is_flat ? "" : row.config,
                  .tower = row.tower});
}

std::string name_in_config(const Json& config) {
  if (const Json* list = config.find("architectures")) {
    if (!list->items().empty()) {
      return std::string(list->items().front().as_string().value_or("unknown"));
    }
  }
  const Json* type = config.find("model_type");
  return std::string(type == nullptr ? "unknown" : type->as_string().value_or("unknown"));
}

}  // namespace

const Json* config_of(const Architecture::Data::Part& part, const Json& config) {
  return part.config.empty() ? &config : config.find(part.config);
}

bool is_spelling_of_another(const Architecture::Data& data, std::size_t part) {
  const Architecture::Data::Part& own = data.parts[part];
  return std::any_of(data.parts.begin(), data.parts.begin() + static_cast<std::ptrdiff_t>(part),
                     [&](const Architecture::Data::Part& other) {
                       return other.config == own.config && other.family->name == own.family->name;
                     });
}

Architecture Architecture::of(const Json& config) {
  auto data = std::make_shared<Data>();
  if (const Family* family = family_of(config)) {
    data->name = family->name;
    data->source = family->source;
    data->known = true;
    add_part(*data, {.family = family, .prefix = "", .config = "", .tower = Tower::kLanguage});
    for (const PartRow& row : family->parts) add_part(*data, row, config);
  } else {
    data->name = name_in_config(config);
    data->source = "no data file: roles are guessed from names and ranks";
  }
  Architecture architecture;
  architecture.data_ = std::move(data);
  return architecture;
}

const std::string& Architecture::name() const { return data_->name; }
bool Architecture::known() const { return data_->known; }
const std::string& Architecture::source() const { return data_->source; }

Module Architecture::module(std::string_view module, std::size_t rank) const {
  PatternTree::Found found;
  if (!data_->patterns.find(module, found)) return guess_module(module, rank);
  const Data::Row& row = data_->rows[found.value];
  const Data::Part& part = data_->parts[row.part];
  Module result;
  result.role = row.row->role;
  result.tower = row.row->tower.value_or(part.tower);
  result.layer = found.layer;
  result.expert = found.expert;
  result.fused = std::string(module);
  if (!row.row->fused.empty()) {
    const std::size_t dot = module.rfind('.');
    result.fused.resize(dot == std::string_view::npos ? 0 : dot + 1);
    result.fused += row.row->fused;
  }
  return result;
}

bool Architecture::describes(std::string_view module) const {
  PatternTree::Found found;
  return data_->patterns.find(module, found);
}

std::vector<std::string> Architecture::language_config_keys() const {
  if (!data_->known) return {std::begin(kLanguageKeys), std::end(kLanguageKeys)};
  std::vector<std::string> keys;
  for (const PartRow& row : data_->parts.front().family->parts) {
    const bool is_new = std::ranges::find(keys, row.config) == keys.end();
    if (row.tower == Tower::kLanguage && is_new) keys.push_back(row.config);
  }
  return keys;
}

}  // namespace requant
