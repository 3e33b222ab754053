#include "api/source_template.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "container/file_stream.h"
#include "container/gguf_values.h"

namespace requant {
namespace {

constexpr std::uint64_t kTemplateLimit = std::uint64_t{1} << 20;
constexpr std::uint64_t kTokenLimit = std::uint64_t{64} << 10;
constexpr std::string_view kTemplateKey = "tokenizer.chat_template";
constexpr std::string_view kTokensKey = "tokenizer.ggml.tokens";

// The keys of a GGUF file, and where each lies.
struct Keys {
  std::map<std::string, std::string> values;  // as JSON
  std::vector<GgufKeyPlace> places;
};

Result<Keys> keys_of(const File& file) {
  FileStream stream(file);
  RQ_TRY(const std::string magic, stream.text(4));
  if (magic != "GGUF") return corrupt("is no GGUF");
  RQ_TRY(const auto version, stream.number<std::uint32_t>());
  if (version != 2 && version != 3) return refused(fmt::format("GGUF version {}", version));
  RQ_CHECK(stream.skip(sizeof(std::uint64_t)));  // of tensors
  RQ_TRY(const auto count, stream.number<std::uint64_t>());
  Keys keys;
  RQ_TRY(GgufValues values, GgufValues::read(stream, count, &keys.places));
  keys.values = values.take();
  return keys;
}

// The token of that number; nothing where the file has none.
Result<std::optional<std::string>> token_at(const File& file, const Keys& keys, std::uint64_t id) {
  constexpr std::uint32_t kArray = 9;
  constexpr std::uint32_t kString = 8;
  const auto place = std::ranges::find(keys.places, kTokensKey, &GgufKeyPlace::key);
  if (place == keys.places.end()) return std::optional<std::string>();
  FileStream stream(file);
  RQ_CHECK(stream.skip(place->begin));
  RQ_TRY(const auto type, stream.number<std::uint32_t>());
  RQ_TRY(const auto item_type, stream.number<std::uint32_t>());
  RQ_TRY(const auto count, stream.number<std::uint64_t>());
  if (type != kArray || item_type != kString || id >= count) return std::optional<std::string>();
  for (std::uint64_t i = 0;; ++i) {
    RQ_TRY(const auto size, stream.number<std::uint64_t>());
    if (i < id) {
      RQ_CHECK(stream.skip(size));
      continue;
    }
    if (size > kTokenLimit) return refused(fmt::format("token {} has {} bytes", id, size));
    RQ_TRY(std::string token, stream.text(size));
    if (!valid_utf8(token)) return std::optional<std::string>();
    return std::optional(std::move(token));
  }
}

Result<void> add_gguf_tokens(const File& file, const Keys& keys, ChatTemplate& into) {
  constexpr std::pair<std::string_view, std::string_view> kTokens[] = {
      {"bos_token", "tokenizer.ggml.bos_token_id"},
      {"eos_token", "tokenizer.ggml.eos_token_id"},
      {"unk_token", "tokenizer.ggml.unknown_token_id"},
      {"pad_token", "tokenizer.ggml.padding_token_id"}};
  for (const auto& [name, key] : kTokens) {
    const auto found = keys.values.find(std::string(key));
    if (found == keys.values.end()) continue;
    const auto json = parse_json(found->second);
    const auto id = json ? json->as_uint() : std::nullopt;
    if (!id) continue;
    RQ_TRY(auto token, token_at(file, keys, *id));
    if (token) into.add_special_token(std::string(name), *std::move(token));
  }
  return {};
}

Result<ChatTemplate> gguf_template(const File& file, const std::optional<std::string>& own) {
  RQ_TRY(const Keys keys, keys_of(file));
  std::string text;
  if (own) {
    text = *own;
  } else {
    const auto found = keys.values.find(std::string(kTemplateKey));
    if (found == keys.values.end()) return not_found("has no " + std::string(kTemplateKey));
    RQ_TRY(const Json json, parse_json(found->second));
    const auto given = json.as_string();
    if (!given) return corrupt(std::string(kTemplateKey) + " is no text of at most 1 MiB");
    text = *given;
  }
  RQ_TRY(ChatTemplate result, ChatTemplate::parse(text, own ? "" : std::string(kTemplateKey)));
  RQ_CHECK(add_gguf_tokens(file, keys, result));
  return result;
}

// The one GGUF file of a folder without a template of its own; nothing where there are none or
// several.
Result<std::optional<std::string>> only_gguf(const Folder& folder) {
  RQ_TRY(std::vector<std::string> names, folder.file_names());
  std::erase_if(names, [](const std::string& name) { return !name.ends_with(".gguf"); });
  return names.size() == 1 ? std::optional(names[0]) : std::optional<std::string>();
}

}  // namespace

std::vector<std::pair<std::string, Json>> settings_of(
    const std::vector<std::pair<std::string, std::string>>& settings) {
  std::vector<std::pair<std::string, Json>> values;
  for (const auto& [name, value] : settings) {
    auto json = parse_json(value);
    values.emplace_back(name, json ? *std::move(json) : Json(value));
  }
  return values;
}

std::tm local_time() {
  const std::time_t now = std::time(nullptr);
  std::tm local = {};
  localtime_r(&now, &local);
  return local;
}

Result<ChatTemplate> source_template(const std::filesystem::path& source,
                                     const std::filesystem::path& template_file, bool with_tools) {
  std::optional<std::string> own;
  if (!template_file.empty()) {
    RQ_TRY(const Bytes bytes,
           read_small_file(template_file, kTemplateLimit, template_file.string()));
    own = bytes.text();
  }
  std::error_code ignored;
  if (!std::filesystem::is_directory(source, ignored)) {
    RQ_TRY(const File file, File::open(source, source.string()));
    RQ_TRY_IN(ChatTemplate result, gguf_template(file, own),
              own ? template_file.string() : source.string());
    return result;
  }
  const auto folder = Folder::on_disk(source);
  if (own) {
    RQ_TRY(ChatTemplate result, ChatTemplate::parse(*own, template_file.string()));
    RQ_CHECK(result.read_special_tokens(*folder));
    return result;
  }
  auto result = ChatTemplate::open(*folder, with_tools);
  if (!result && result.error().code() == ErrorCode::kNotFound) {
    RQ_TRY(const auto gguf, only_gguf(*folder));
    if (gguf) {
      RQ_TRY(const File file, folder->open(*gguf));
      RQ_TRY_IN(ChatTemplate found, gguf_template(file, {}), *gguf);
      return found;
    }
  }
  if (result) RQ_CHECK(result->read_special_tokens(*folder));
  return result;
}

}  // namespace requant
