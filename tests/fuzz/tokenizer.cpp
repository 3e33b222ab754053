// A tokenizer.json on one line, "== text" on the next, then a text: it loads or is refused in one
// line, and what loads gives the text's tokens twice the same and turns them into text again.
#include "text/tokenizer.h"

#include "base/text.h"
#include "target.h"

namespace requant::fuzz {
namespace {

constexpr std::string_view kText = "\n== text\n";
constexpr std::string_view kUsual = "Größe 12,\n x<|eos|>";
constexpr std::size_t kLongest = 4096;

void require_one_line(const Error& error) {
  const std::string& message = error.message();
  require(message.find('\n') == std::string::npos && valid_utf8(message), "a message of one line");
}

void encode_and_decode(const Tokenizer& tokenizer, std::string_view text, SpecialTokens special) {
  const auto ids = tokenizer.encode(text, special);
  const auto again = tokenizer.encode(text, special);
  require(static_cast<bool>(ids) == static_cast<bool>(again), "the same outcome");
  if (!ids) return require_one_line(ids.error());
  require(*ids == *again, "the same tokens");
  require(valid_utf8(text), "a text of tokens is UTF-8");
  const auto back = tokenizer.decode(*ids, special);
  if (!back) return require_one_line(back.error());
  require(valid_utf8(*back), "what is decoded is UTF-8");
}

void look_up(const Tokenizer& tokenizer) {
  constexpr std::size_t kLooked = 64;
  for (std::size_t id = 0; id < std::min(tokenizer.size(), kLooked); ++id) {
    const std::string_view token = tokenizer.token(static_cast<TokenId>(id));
    if (!token.empty()) require(tokenizer.find(token).has_value(), "a token is found");
  }
  require(tokenizer.token(static_cast<TokenId>(tokenizer.size())).empty(), "no more tokens");
}

}  // namespace
}  // namespace requant::fuzz

int requant::fuzz::LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view all = text_of(data, size);
  const std::size_t end = std::min(all.find(kText), all.size());
  const auto tokenizer = requant::Tokenizer::parse(all.substr(0, end));
  if (!tokenizer) {
    require_one_line(tokenizer.error());
    return 0;
  }
  look_up(*tokenizer);
  const std::string_view text =
      end == all.size() ? kUsual : all.substr(end + kText.size()).substr(0, kLongest);
  for (const auto special : {requant::SpecialTokens::kLeave, requant::SpecialTokens::kAdd}) {
    encode_and_decode(*tokenizer, text, special);
  }
  return 0;
}
