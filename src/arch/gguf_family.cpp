#include "arch/gguf_family.h"

#include <algorithm>
#include <map>
#include <span>

#include "base/embedded.h"
#include "base/json_at.h"

namespace requant {

std::span<const EmbeddedFile> architecture_files();  // made by rq_embed()

namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;
constexpr std::string_view kLayer = "{layer}";
constexpr std::string_view kExpert = "{expert}";

std::string first_of(const Json& json, std::string_view key) {
  const Json* list = json.find(key);
  if (list == nullptr || list->items().empty()) return {};
  return std::string(list->items().front().as_string().value_or(""));
}

void add_pairs(const Json& json, std::string_view key, Pairs& pairs) {
  const Json* members = json.find(key);
  if (members == nullptr) return;
  for (const auto& [name, value] : members->members()) {
    const std::string text(value.as_string().value_or(""));
    const auto there = std::ranges::find(pairs, name, [](const auto& pair) { return pair.first; });
    if (there != pairs.end()) {
      there->second = text;
    } else {
      pairs.emplace_back(name, text);
    }
  }
}

using Files = std::map<std::string, Json, std::less<>>;

// A family's own rows after those of the family that it inherits.
void add_rows(const Files& files, const std::string& name, GgufFamily& family) {
  const auto file = files.find(name);
  if (file == files.end()) return;
  const std::string base = text_at(file->second, "inherits");
  if (!base.empty()) add_rows(files, base, family);
  const Json* gguf = file->second.find("gguf");
  if (gguf == nullptr) return;
  add_pairs(*gguf, "keys", family.keys);
  add_pairs(*gguf, "modules", family.modules);
}

// The data are built in, so what is wrong with them is a broken build.
std::map<std::string, GgufFamily, std::less<>> read_families() {
  Files files;
  for (const EmbeddedFile& file : architecture_files()) {
    Json json = *parse_json(file.text);
    std::string name = text_at(json, "name");
    files.emplace(std::move(name), std::move(json));
  }
  std::map<std::string, GgufFamily, std::less<>> families;
  for (const auto& [name, json] : files) {
    const Json* gguf = json.find("gguf");
    if (gguf == nullptr) continue;
    GgufFamily family;
    family.architecture = text_at(*gguf, "architecture");
    family.model_type = first_of(json, "model_types");
    family.model_types = texts_at(json, "model_types");
    family.model_class = first_of(json, "architectures");
    const Json* pairs = gguf->find("rotary_pairs");
    family.rotary_pairs = pairs != nullptr && pairs->as_bool().value_or(false);
    if (const Json* values = gguf->find("values")) family.values = *values;
    add_rows(files, name, family);
    std::string architecture = family.architecture;
    families.emplace(std::move(architecture), std::move(family));
  }
  return families;
}

const auto& families() {
  static const auto kFamilies = read_families();
  return kFamilies;
}

// The numbers that stand in `name` where `pattern` has "{layer}" and "{expert}"; nothing where the
// two differ elsewhere.
struct Numbers {
  std::string layer;
  std::string expert;
};
std::optional<Numbers> match(std::string_view pattern, std::string_view name) {
  Numbers numbers;
  while (!pattern.empty()) {
    const bool is_layer = pattern.starts_with(kLayer);
    if (!is_layer && !pattern.starts_with(kExpert)) {
      if (name.empty() || name.front() != pattern.front()) return std::nullopt;
      pattern.remove_prefix(1);
      name.remove_prefix(1);
      continue;
    }
    const std::size_t digits = std::min(name.find_first_not_of("0123456789"), name.size());
    if (digits == 0) return std::nullopt;
    (is_layer ? numbers.layer : numbers.expert) = name.substr(0, digits);
    pattern.remove_prefix(is_layer ? kLayer.size() : kExpert.size());
    name.remove_prefix(digits);
  }
  return name.empty() ? std::optional(std::move(numbers)) : std::nullopt;
}

std::string with_layer(std::string module, const std::string& layer) {
  const std::size_t at = module.find(kLayer);
  if (at != std::string::npos) module.replace(at, kLayer.size(), layer);
  return module;
}

}  // namespace

std::optional<std::string> GgufFamily::module_of(std::string_view name) const {
  for (const auto& [pattern, own] : modules) {
    if (const auto numbers = match(pattern, name)) return with_layer(own, numbers->layer);
  }
  return std::nullopt;
}

std::optional<GgufFamily::Name> GgufFamily::name_of(std::string_view module) const {
  constexpr std::size_t kMostDigits = 9;
  for (const auto& [pattern, own] : modules) {
    const auto numbers = match(own, module);
    if (!numbers || numbers->expert.size() > kMostDigits) continue;
    Name name{.module = with_layer(pattern, numbers->layer)};
    if (!numbers->expert.empty()) name.expert = std::stoll(numbers->expert);
    return name;
  }
  return std::nullopt;
}

const GgufFamily* find_gguf_family(std::string_view architecture) {
  const auto found = families().find(architecture);
  return found == families().end() ? nullptr : &found->second;
}

const GgufFamily* find_gguf_family_of(std::string_view model_type) {
  for (const auto& [name, family] : families()) {
    if (std::ranges::find(family.model_types, model_type) != family.model_types.end()) {
      return &family;
    }
  }
  return nullptr;
}

}  // namespace requant
