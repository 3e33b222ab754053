#include "text/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <unordered_map>
#include <variant>

#include "base/file.h"
#include "base/text.h"
#include "text/added_tokens.h"
#include "text/decoder.h"
#include "text/json_value.h"
#include "text/normalizer.h"
#include "text/pre_tokenizer.h"
#include "text/template.h"
#include "text/tokenizer_file.h"
#include "text/unigram.h"

namespace requant {
namespace {

constexpr std::string_view kFileName = "tokenizer.json";
constexpr std::uint64_t kFileLimit = std::uint64_t{64} << 20;

Result<AddedToken> added_token(const Json& json) {
  const Json* id = json.find("id");
  const auto number = id == nullptr ? std::nullopt : id->as_uint();
  if (!number || *number > kLargestId) return corrupt("an added token has no id that can be");
  return AddedToken{.id = static_cast<TokenId>(*number),
                    .content = text_at(json, "content"),
                    .single_word = flag_at(json, "single_word", false),
                    .lstrip = flag_at(json, "lstrip", false),
                    .rstrip = flag_at(json, "rstrip", false),
                    .normalized = flag_at(json, "normalized", false),
                    .special = flag_at(json, "special", false)};
}

Error twice(TokenId id, std::string_view a, std::string_view b) {
  return corrupt(fmt::format("{} and {} have the same id, {}", in_quotes(a), in_quotes(b), id));
}

}  // namespace

struct Tokenizer::State {
  std::variant<Bpe, Unigram> model;
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  TokenDecoder decoder;
  TokenTemplate around;
  std::deque<AddedToken> added;
  TokenFinder raw;                       // in the text as it is
  TokenFinder normalized;                // in the normalised text
  std::vector<std::string_view> tokens;  // by id
  std::vector<bool> special;             // by id

  Result<void> add_tokens(const Json* list);
  void name(TokenId id, std::string_view token, bool is_special);
  const TokenId* find(std::string_view token) const {
    return std::visit([&](const auto& m) { return m.find(token); }, model);
  }
  Result<void> add_vocabulary();
  Result<void> encode_word(std::string_view word, std::vector<TokenId>& out) const {
    return std::visit([&](const auto& m) { return m.encode(word, out); }, model);
  }
  Result<void> encode_plain(std::string_view text, bool at_start, std::vector<TokenId>& out) const;
};

void Tokenizer::State::name(TokenId id, std::string_view token, bool is_special) {
  if (id >= tokens.size()) {
    tokens.resize(id + 1);
    special.resize(id + 1);
  }
  tokens[id] = token;
  special[id] = is_special;
}

Result<void> Tokenizer::State::add_vocabulary() {
  if (const Unigram* unigram = std::get_if<Unigram>(&model)) {
    TokenId id = 0;
    for (const auto& [token, score] : unigram->vocab()) name(id++, token, false);
    return {};
  }
  for (const auto& [token, id] : std::get<Bpe>(model).vocab()) {
    if (id < tokens.size() && tokens[id].data() != nullptr) return twice(id, tokens[id], token);
    name(id, token, false);
  }
  return {};
}

Result<void> Tokenizer::State::add_tokens(const Json* list) {
  RQ_CHECK(add_vocabulary());
  if (list == nullptr) return {};
  std::unordered_map<TokenId, std::string_view> added_ids;
  for (const Json& item : list->items()) {
    RQ_TRY(AddedToken token, added_token(item));
    const auto other = added_ids.find(token.id);
    if (other != added_ids.end() && other->second != token.content) {
      return twice(token.id, other->second, token.content);
    }
    const AddedToken& kept = added.emplace_back(std::move(token));
    added_ids.emplace(kept.id, kept.content);
    name(kept.id, kept.content, kept.special);
    if (kept.normalized) {
      RQ_TRY(std::string content, normalizer.apply(kept.content));
      normalized.add(std::move(content), &kept);
    } else {
      raw.add(kept.content, &kept);
    }
  }
  return {};
}

Result<void> Tokenizer::State::encode_plain(std::string_view text, bool at_start,
                                            std::vector<TokenId>& out) const {
  RQ_TRY(const std::string plain, normalizer.apply(std::string(text)));
  for (const TextPart& part : normalized.split(plain)) {
    if (part.token != nullptr) {
      out.push_back(part.token->id);
      continue;
    }
    const bool first = at_start && part.text.data() == plain.data();
    RQ_TRY(const auto pieces, pre_tokenizer.apply({std::string(part.text), first}));
    for (const Piece& piece : pieces) RQ_CHECK(encode_word(piece.text, out));
  }
  return {};
}

Tokenizer::Tokenizer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Result<Tokenizer> Tokenizer::parse(std::string_view json) {
  RQ_TRY(TokenizerFile file, parse_tokenizer_file(json));
  auto state = std::make_unique<State>();
  if (file.unigram) {
    RQ_TRY(state->model, Unigram::make(*std::move(file.unigram)));
  } else {
    RQ_TRY(state->model, Bpe::make(std::move(file.bpe)));
  }
  RQ_TRY(state->normalizer, Normalizer::parse(file.rest.find("normalizer")));
  RQ_TRY(state->pre_tokenizer, PreTokenizer::parse(file.rest.find("pre_tokenizer")));
  RQ_TRY(state->decoder, TokenDecoder::parse(file.rest.find("decoder")));
  RQ_TRY(state->around, TokenTemplate::parse(file.rest.find("post_processor")));
  RQ_CHECK(state->add_tokens(file.rest.find("added_tokens")));
  return Tokenizer(std::move(state));
}

Result<Tokenizer> Tokenizer::open(const Folder& folder) {
  if (!folder.has(kFileName)) {
    return not_found(folder.label() + " has no tokenizer.json, the one kind of tokenizer read");
  }
  RQ_TRY(const File file, folder.open(kFileName));
  RQ_TRY(const Bytes bytes, read_small_file(file, kFileLimit));
  RQ_TRY_IN(Tokenizer tokenizer, parse(bytes.text()), std::string(kFileName));
  return tokenizer;
}

Result<std::vector<TokenId>> Tokenizer::encode(std::string_view text, SpecialTokens special) const {
  if (!valid_utf8(text)) return corrupt("the text is no UTF-8");
  std::vector<TokenId> ids;
  const bool around = special == SpecialTokens::kAdd;
  if (around) ids = state_->around.before;
  for (const TextPart& part : state_->raw.split(text)) {
    if (part.token != nullptr) {
      ids.push_back(part.token->id);
    } else {
      RQ_CHECK(state_->encode_plain(part.text, part.text.data() == text.data(), ids));
    }
  }
  if (around) {
    ids.insert(ids.end(), state_->around.after.begin(), state_->around.after.end());
  }
  return ids;
}

Result<std::string> Tokenizer::decode(std::span<const TokenId> ids, SpecialTokens special) const {
  std::vector<std::string> tokens;
  for (const TokenId id : ids) {
    if (id >= size() || state_->tokens[id].data() == nullptr) continue;
    if (special == SpecialTokens::kLeave && state_->special[id]) continue;
    tokens.emplace_back(state_->tokens[id]);
  }
  return state_->decoder.apply(std::move(tokens));
}

std::optional<TokenId> Tokenizer::find(std::string_view token) const {
  for (const AddedToken& added : state_->added) {
    if (added.content == token) return added.id;
  }
  const TokenId* id = state_->find(token);
  return id == nullptr ? std::nullopt : std::optional(*id);
}

std::string_view Tokenizer::token(TokenId id) const {
  return id < size() ? state_->tokens[id] : std::string_view();
}

std::size_t Tokenizer::size() const { return state_->tokens.size(); }

}  // namespace requant
