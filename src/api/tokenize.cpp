#include "requant/tokenize.h"

#include "base/json.h"
#include "base/threads.h"
#include "text/tokenizer.h"

namespace requant {
namespace {

Result<Tokenizer> open_tokenizer(const std::filesystem::path& source) {
  std::error_code ignored;
  if (std::filesystem::is_directory(source, ignored)) {
    return Tokenizer::open(*Folder::on_disk(source));
  }
  constexpr std::uint64_t kLimit = std::uint64_t{64} << 20;
  RQ_TRY(const Bytes bytes, read_small_file(source, kLimit, source.string()));
  RQ_TRY_IN(Tokenizer tokenizer, Tokenizer::parse(bytes.text()), source.string());
  return tokenizer;
}

SpecialTokens special_tokens(const TokenizeOptions& options) {
  return options.special ? SpecialTokens::kAdd : SpecialTokens::kLeave;
}

}  // namespace

Result<std::vector<TokenizedText>> tokenize(const TokenizeOptions& options,
                                            std::span<const std::string> texts) {
  return or_out_of_memory([&]() -> Result<std::vector<TokenizedText>> {
    RQ_TRY(const Tokenizer tokenizer, open_tokenizer(options.source));
    std::vector<TokenizedText> results(texts.size());
    RQ_CHECK(for_each_parallel(texts.size(), [&](std::size_t i) -> Result<void> {
      RQ_TRY_IN(results[i].ids, tokenizer.encode(texts[i], special_tokens(options)),
                options.source.string());
      for (const TokenId id : results[i].ids) {
        results[i].tokens.emplace_back(tokenizer.token(id));
      }
      return {};
    }));
    return results;
  });
}

Result<std::vector<std::string>> detokenize(const TokenizeOptions& options,
                                            std::span<const std::vector<std::uint32_t>> ids) {
  return or_out_of_memory([&]() -> Result<std::vector<std::string>> {
    RQ_TRY(const Tokenizer tokenizer, open_tokenizer(options.source));
    std::vector<std::string> results(ids.size());
    RQ_CHECK(for_each_parallel(ids.size(), [&](std::size_t i) -> Result<void> {
      RQ_TRY(results[i], tokenizer.decode(ids[i], special_tokens(options)));
      return {};
    }));
    return results;
  });
}

std::string to_json(std::span<const TokenizedText> texts) {
  Json list = Json::array();
  for (const TokenizedText& text : texts) {
    Json ids = Json::array();
    for (const std::uint32_t id : text.ids) ids.append(std::uint64_t{id});
    Json tokens = Json::array();
    for (const std::string& token : text.tokens) tokens.append(token);
    list.append(Json::object({{"ids", std::move(ids)}, {"tokens", std::move(tokens)}}));
  }
  const Json json = Json::object({{"schema", "requant/tokenize/1"}, {"texts", std::move(list)}});
  return json.dump(2) + "\n";
}

}  // namespace requant
