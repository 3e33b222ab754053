#include "arch/gguf_family.h"

#include <algorithm>
#include <map>
#include <span>

#include "base/embedded.h"

namespace requant {

std::span<const EmbeddedFile> architecture_files();  // made by rq_embed()

namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;
constexpr std::string_view kLayer = "{layer}";

std::string text_of(const Json& json, std::string_view key) {
  const Json* value = json.find(key);
  return value == nullptr ? "" : std::string(value->as_string().value_or(""));
}

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
  const std::string base = text_of(file->second, "inherits");
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
    std::string name = text_of(json, "name");
    files.emplace(std::move(name), std::move(json));
  }
  std::map<std::string, GgufFamily, std::less<>> families;
  for (const auto& [name, json] : files) {
    const Json* gguf = json.find("gguf");
    if (gguf == nullptr) continue;
    GgufFamily family;
    family.model_type = first_of(json, "model_types");
    family.model_class = first_of(json, "architectures");
    const Json* pairs = gguf->find("rotary_pairs");
    family.rotary_pairs = pairs != nullptr && pairs->as_bool().value_or(false);
    if (const Json* values = gguf->find("values")) family.values = *values;
    add_rows(files, name, family);
    families.emplace(text_of(*gguf, "architecture"), std::move(family));
  }
  return families;
}

// The layer's number where `name` is as the pattern says; "" for a pattern without one.
std::optional<std::string> match(std::string_view pattern, std::string_view name) {
  const std::size_t at = pattern.find(kLayer);
  if (at == std::string_view::npos) {
    return pattern == name ? std::optional<std::string>("") : std::nullopt;
  }
  const std::string_view before = pattern.substr(0, at);
  const std::string_view after = pattern.substr(at + kLayer.size());
  if (name.size() <= before.size() + after.size() || !name.starts_with(before) ||
      !name.ends_with(after)) {
    return std::nullopt;
  }
  const std::string_view number =
      name.substr(before.size(), name.size() - before.size() - after.size());
  const bool is_number = number.find_first_not_of("0123456789") == std::string_view::npos;
  return is_number ? std::optional(std::string(number)) : std::nullopt;
}

}  // namespace

std::optional<std::string> GgufFamily::module_of(std::string_view name) const {
  for (const auto& [pattern, own] : modules) {
    const auto layer = match(pattern, name);
    if (!layer) continue;
    std::string module = own;
    const std::size_t at = module.find(kLayer);
    if (at != std::string::npos) module.replace(at, kLayer.size(), *layer);
    return module;
  }
  return std::nullopt;
}

const GgufFamily* find_gguf_family(std::string_view architecture) {
  static const auto kFamilies = read_families();
  const auto found = kFamilies.find(architecture);
  return found == kFamilies.end() ? nullptr : &found->second;
}

}  // namespace requant
