#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/json_at.h"
#include "base/text.h"
#include "dialect/gguf_write.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

constexpr std::int64_t kMostTokens = std::int64_t{1} << 24;
constexpr JsonLimits kLimits = {.bytes = std::uint64_t{256} << 20};

// LLAMA_TOKEN_TYPE_*.
enum TokenType : std::int32_t { kNormal = 1, kControl = 3, kUserDefined = 4, kUnused = 5 };

// How llama.cpp names the ways in which text is cut before merges are applied
// (LLAMA_VOCAB_PRE_TYPE_*, llama-vocab.cpp): by the regular expression of tokenizer.json, or by
// whether digits stand alone.
struct Cut {
  std::string_view name;
  std::string_view pattern;
};
constexpr auto kCuts = std::to_array<Cut>({
    {"llama-bpe",
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
    {"qwen2",
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
});

// What a pre_tokenizer is in llama.cpp; empty: nothing that this build knows.
std::string_view cut_of(const Json& pre) {
  std::vector<const Json*> steps;
  if (text_at(&pre, "type") == "Sequence") {
    const Json* list = pre.find("pretokenizers");
    if (list == nullptr) return {};
    for (const Json& step : list->items()) steps.push_back(&step);
  } else {
    steps.push_back(&pre);
  }
  if (steps.empty() || text_at(steps.back(), "type") != "ByteLevel" ||
      flag_at(*steps.back(), "add_prefix_space", true)) {
    return {};
  }
  const bool has_pattern = flag_at(*steps.back(), "use_regex", true);
  if (steps.size() == 1) return has_pattern ? "gpt-2" : "";
  if (steps.size() != 2) return {};
  const Json& first = *steps.front();
  if (text_at(&first, "type") == "Digits") {
    return has_pattern && flag_at(first, "individual_digits", false) ? "smollm" : "";
  }
  if (text_at(&first, "type") != "Split" || has_pattern ||
      text_at(&first, "behavior") != "Isolated" || flag_at(first, "invert", false)) {
    return {};
  }
  const std::string_view pattern = text_at(first.find("pattern"), "Regex");
  const auto cut = std::ranges::find(kCuts, pattern, &Cut::pattern);
  return cut == kCuts.end() ? std::string_view() : cut->name;
}

class Vocabulary {
 public:
  Vocabulary(const FileRequest& request, std::int64_t tokens, GgufKeyBytes& keys)
      : request_(request), keys_(keys) {
    const auto count = static_cast<std::size_t>(std::clamp<std::int64_t>(tokens, 0, kMostTokens));
    tokens_.resize(count);
    types_.resize(count, kUnused);
  }

  Result<void> run() {
    RQ_TRY(const auto tokenizer, read("tokenizer.json"));
    if (!tokenizer) {
      keys_.set_string("tokenizer.ggml.model", "none");
      return {};
    }
    RQ_TRY(auto config, read("tokenizer_config.json"));
    if (config) config_ = *std::move(config);
    RQ_CHECK_IN(add_tokens(*tokenizer), "tokenizer.json");
    RQ_CHECK_IN(add_merges(*tokenizer->find("model")), "tokenizer.json");
    add_special(*tokenizer);
    return add_template();
  }

 private:
  Result<std::optional<Json>> read(std::string_view name) const {
    std::optional<Json> json;
    RQ_TRY(const auto text, request_.read(name));
    if (!text) return json;
    RQ_TRY_IN(json, parse_json(*text, kLimits), name);
    return json;
  }

  Result<void> set_token(std::int64_t id, std::string_view text, TokenType type) {
    const auto count = std::ssize(tokens_);
    if (id < 0 || id >= count) {
      return refused(fmt::format("token {} is number {}, the embedding has {} rows",
                                 in_quotes(text), id, count));
    }
    const auto at = static_cast<std::size_t>(id);
    tokens_[at] = text;
    types_[at] = type;
    return {};
  }

  Result<void> add_tokens(const Json& tokenizer) {
    const Json* model = tokenizer.find("model");
    const Json* vocabulary = model == nullptr ? nullptr : model->find("vocab");
    const Json* pre = tokenizer.find("pre_tokenizer");
    const std::string_view cut = pre == nullptr ? std::string_view() : cut_of(*pre);
    if (vocabulary == nullptr || text_at(model, "type") != "BPE" || cut.empty()) {
      return refused(fmt::format(
          "a vocabulary of model {} and pre_tokenizer {}: only byte-level BPE that llama.cpp has a "
          "name for is carried into GGUF",
          in_quotes(text_at(model, "type")),
          pre == nullptr ? "null" : printable(pre->dump(), 200)));
    }
    for (const auto& [text, id] : vocabulary->members()) {
      RQ_CHECK(set_token(id.as_int().value_or(-1), text, kNormal));
    }
    if (const Json* added = tokenizer.find("added_tokens")) {
      for (const Json& token : added->items()) {
        const Json* id = token.find("id");
        RQ_CHECK(set_token(id == nullptr ? -1 : id->as_int().value_or(-1),
                           text_at(&token, "content"),
                           flag_at(token, "special", false) ? kControl : kUserDefined));
      }
    }
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      if (types_[i] == kUnused) tokens_[i] = fmt::format("[PAD{}]", i);
    }
    keys_.set_string("tokenizer.ggml.model", "gpt2");
    keys_.set_string("tokenizer.ggml.pre", cut);
    keys_.set_strings("tokenizer.ggml.tokens", tokens_);
    keys_.set_i32s("tokenizer.ggml.token_type", types_);
    return {};
  }

  Result<void> add_merges(const Json& model) {
    std::vector<std::string> merges;
    static const Json kNone = Json::array();
    const Json* list = model.find("merges");
    for (const Json& merge : (list == nullptr ? kNone : *list).items()) {
      if (const auto text = merge.as_string()) {
        merges.emplace_back(*text);
        continue;
      }
      const auto& parts = merge.items();
      const auto left = parts.size() == 2 ? parts[0].as_string() : std::nullopt;
      const auto right = parts.size() == 2 ? parts[1].as_string() : std::nullopt;
      if (!left || !right) return corrupt("a merge is no pair of texts");
      merges.push_back(fmt::format("{} {}", *left, *right));
    }
    keys_.set_strings("tokenizer.ggml.merges", merges);
    return {};
  }

  // The text of a special token: a string, or an object that has it.
  std::string special(const std::string& name) const {
    const Json* value = config_.find(name + "_token");
    if (value == nullptr) return {};
    return std::string(value->is_object() ? text_at(value, "content")
                                          : value->as_string().value_or(""));
  }

  // config.json's number of a token; of a list the first.
  std::optional<std::int64_t> id_in_config(const std::string& name) const {
    const Json* value = request_.config.find(name + "_token_id");
    if (value == nullptr) return std::nullopt;
    return value->items().empty() ? value->as_int() : value->items().front().as_int();
  }

  void add_special(const Json& tokenizer) {
    constexpr std::array<std::pair<const char*, const char*>, 4> kNames = {
        {{"bos", "bos"}, {"eos", "eos"}, {"unk", "unknown"}, {"pad", "padding"}}};
    for (const auto& [name, key] : kNames) {
      const std::string text = special(name);
      const auto found = std::ranges::find(tokens_, text);
      std::optional<std::int64_t> id;
      if (!text.empty() && found != tokens_.end()) id = found - tokens_.begin();
      if (!id) id = id_in_config(name);
      if (!id || *id < 0 || *id >= std::ssize(tokens_)) continue;
      keys_.set_u32(fmt::format("tokenizer.ggml.{}_token_id", key),
                    static_cast<std::uint32_t>(*id));
    }
    for (const char* name : {"bos", "eos"}) {
      const std::string key = fmt::format("add_{}_token", name);
      const Json* stated = config_.find(key);
      const auto adds = stated == nullptr ? std::nullopt : stated->as_bool();
      keys_.set_bool("tokenizer.ggml." + key, adds.value_or(is_added(tokenizer, name)));
    }
  }

  // Whether the post-processor puts the token before the text, or behind it.
  bool is_added(const Json& tokenizer, const std::string& name) const {
    const Json* pieces = tokenizer.at({"post_processor", "single"});
    if (pieces == nullptr || pieces->items().empty()) return false;
    const Json& piece = name == "bos" ? pieces->items().front() : pieces->items().back();
    const std::string text = special(name);
    return !text.empty() && text_at(piece.find("SpecialToken"), "id") == text;
  }

  Result<void> add_template() {
    std::string text(text_at(&config_, "chat_template"));
    if (text.empty()) {
      RQ_TRY(const auto file, request_.read("chat_template.jinja"));
      text = file.value_or("");
    }
    if (!text.empty()) keys_.set_string("tokenizer.chat_template", text);
    return {};
  }

  const FileRequest& request_;
  GgufKeyBytes& keys_;
  Json config_ = Json::object();
  std::vector<std::string> tokens_;
  std::vector<std::int32_t> types_;
};

}  // namespace

Result<void> add_gguf_vocabulary(const FileRequest& request, std::int64_t tokens,
                                 GgufKeyBytes& keys) {
  return Vocabulary(request, tokens, keys).run();
}

}  // namespace requant
