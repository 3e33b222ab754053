#include "text/chat_template.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/file.h"
#include "base/text.h"
#include "text/json_value.h"

namespace requant {
namespace {

constexpr std::uint64_t kFileLimit = std::uint64_t{16} << 20;
constexpr std::string_view kTemplateFile = "chat_template.jinja";
constexpr std::string_view kConfigFile = "tokenizer_config.json";
constexpr std::string_view kOldFile = "chat_template.json";
constexpr std::string_view kSpecialFile = "special_tokens_map.json";
constexpr std::string_view kKey = "chat_template";

Result<std::string> text_of(const Folder& folder, std::string_view name) {
  RQ_TRY(const File file, folder.open(name));
  RQ_TRY(const Bytes bytes, read_small_file(file, kFileLimit));
  return std::string(bytes.text());
}

Result<Json> json_of(const Folder& folder, std::string_view name) {
  RQ_TRY(const std::string text, text_of(folder, name));
  RQ_TRY_IN(Json json, parse_json(text), std::string(name));
  if (!json.is_object()) return corrupt(fmt::format("{}: not a JSON object", name));
  return json;
}

// [{"name": "default", "template": "..."}, ...]
Result<std::string> named_template(const Json& list, bool with_tools) {
  std::vector<std::pair<std::string, std::string>> all;
  for (const Json& item : list.items()) {
    all.emplace_back(text_at(item, "name"), text_at(item, "template"));
  }
  const auto find = [&](std::string_view name) {
    return std::ranges::find(all, name, &std::pair<std::string, std::string>::first);
  };
  auto found = with_tools ? find("tool_use") : all.end();
  if (found == all.end()) found = find("default");
  if (found == all.end()) {
    std::vector<std::string> names;
    for (const auto& [name, text] : all) names.push_back(in_quotes(name));
    return refused("no template is named 'default', only " + join(names, ", "));
  }
  return found->second;
}

// Of a file with the key "chat_template"; nothing where it has none.
Result<std::optional<std::string>> template_in(const Json& json, bool with_tools) {
  const Json* value = json.find(kKey);
  if (value == nullptr || value->is_null()) return std::optional<std::string>();
  if (const auto text = value->as_string()) return std::optional(std::string(*text));
  if (!value->is_array()) return corrupt("neither a text nor a list of templates with names");
  RQ_TRY(std::string text, named_template(*value, with_tools));
  return std::optional(std::move(text));
}

// "<s>" or {"content": "<s>", ...}
std::optional<std::string> token_text(const Json& value) {
  if (const auto text = value.as_string()) return std::string(*text);
  const Json* content = value.find("content");
  const auto text = content == nullptr ? std::nullopt : content->as_string();
  return text ? std::optional(std::string(*text)) : std::nullopt;
}

std::optional<Json> special_token(const Json& value) {
  if (!value.is_array()) {
    const auto text = token_text(value);
    return text ? std::optional(Json(*text)) : std::nullopt;
  }
  Json list = Json::array();
  for (const Json& item : value.items()) {
    if (const auto text = token_text(item)) list.append(*text);
  }
  return list.items().empty() ? std::nullopt : std::optional(std::move(list));
}

}  // namespace

Result<ChatTemplate> ChatTemplate::parse(std::string_view text, std::string where) {
  RQ_TRY_IN(jinja::Template parsed, jinja::Template::parse(text), where);
  return ChatTemplate(std::move(parsed), std::move(where));
}

Result<ChatTemplate> ChatTemplate::open(const Folder& folder, bool with_tools) {
  if (folder.has(kTemplateFile)) {
    RQ_TRY(const std::string text, text_of(folder, kTemplateFile));
    return parse(text, std::string(kTemplateFile));
  }
  for (const std::string_view name : {kConfigFile, kOldFile}) {
    if (!folder.has(name)) continue;
    RQ_TRY(const Json json, json_of(folder, name));
    const std::string where = fmt::format("{}: {}", name, kKey);
    RQ_TRY_IN(const auto text, template_in(json, with_tools), where);
    if (text) return parse(*text, where);
  }
  return not_found(folder.label() + " has no chat template");
}

Result<void> ChatTemplate::read_special_tokens(const Folder& folder) {
  constexpr std::string_view kTokens[] = {
      "bos_token", "eos_token", "unk_token",  "sep_token",
      "pad_token", "cls_token", "mask_token", "additional_special_tokens"};
  for (const std::string_view name : {kConfigFile, kSpecialFile}) {
    if (!folder.has(name)) continue;
    RQ_TRY(const Json json, json_of(folder, name));
    for (const std::string_view key : kTokens) {
      const bool known =
          std::ranges::any_of(special_, [&](const auto& special) { return special.first == key; });
      const Json* value = json.find(key);
      auto token = known || value == nullptr ? std::nullopt : special_token(*value);
      if (token) special_.emplace_back(key, *std::move(token));
    }
  }
  return {};
}

void ChatTemplate::add_special_token(std::string name, std::string token) {
  special_.emplace_back(std::move(name), std::move(token));
}

Result<std::string> ChatTemplate::render(const ChatInput& input, const std::tm& now) const {
  std::vector<std::pair<std::string, Json>> names = special_;
  names.emplace_back("messages", input.messages);
  names.emplace_back("tools", input.tools);
  names.emplace_back("documents", Json());
  names.emplace_back("add_generation_prompt", input.add_generation_prompt);
  for (const auto& more : input.more) {
    std::erase_if(names, [&](const auto& name) { return name.first == more.first; });
    names.push_back(more);
  }
  RQ_TRY_IN(std::string text, template_.render(names, now), where_);
  return text;
}

}  // namespace requant
