#include "fix/documents.h"

#include <utility>

#include "rule/beside.h"

namespace requant {
namespace {

// What repairs look at or write, beside config.json.
constexpr std::string_view kFiles[] = {"hf_quant_config.json", "quant_config.json",
                                       "quantize_config.json", "tokenizer_config.json"};

std::string text_of(const Json* json) { return json == nullptr ? std::string() : json->dump(); }

void compare(const std::string& file, const std::string& key, const Json* was, const Json* now,
             std::vector<Edit>& edits) {
  if (was != nullptr && now != nullptr && *was == *now) return;
  const bool objects = was != nullptr && now != nullptr && was->is_object() && now->is_object();
  if (!objects) {
    edits.push_back({file, key, text_of(was), text_of(now)});
    return;
  }
  const std::string prefix = key.empty() ? "" : key + ".";
  for (const auto& [name, value] : was->members()) {
    compare(file, prefix + name, &value, now->find(name), edits);
  }
  for (const auto& [name, value] : now->members()) {
    if (was->find(name) == nullptr) compare(file, prefix + name, nullptr, &value, edits);
  }
}

const Json* in(const std::map<std::string, Json>& files, const std::string& name) {
  const auto at = files.find(name);
  return at == files.end() ? nullptr : &at->second;
}

}  // namespace

Documents::Documents(const Checkpoint& checkpoint) : is_ascii_(checkpoint.config_is_ascii()) {
  was_["config.json"] = checkpoint.config();
  for (const std::string_view name : kFiles) {
    if (auto json = json_beside(checkpoint, name)) was_[std::string(name)] = *std::move(json);
  }
  now_ = was_;
}

Json* Documents::find(std::string_view name) {
  const auto at = now_.find(std::string(name));
  return at == now_.end() ? nullptr : &at->second;
}

std::vector<Edit> Documents::edits() const {
  std::vector<Edit> edits;
  for (const auto& [name, json] : was_) compare(name, "", &json, in(now_, name), edits);
  for (const auto& [name, json] : now_) {
    if (!was_.contains(name)) compare(name, "", nullptr, &json, edits);
  }
  return edits;
}

std::map<std::string, std::string> Documents::changed() const {
  std::map<std::string, std::string> files;
  for (const auto& [name, json] : now_) {
    const Json* old = in(was_, name);
    if (old != nullptr && *old == json) continue;
    const bool ascii = name == "config.json" && is_ascii_;
    files[name] = json.dump(2, ascii) + "\n";
  }
  return files;
}

std::vector<std::string> Documents::removed() const {
  std::vector<std::string> names;
  for (const auto& [name, json] : was_) {
    if (!now_.contains(name)) names.push_back(name);
  }
  return names;
}

}  // namespace requant
