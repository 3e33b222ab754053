#pragma once

#include <optional>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "text/bpe.h"
#include "text/unigram.h"

namespace requant {

// Four times as many ids as there may be tokens: tables by id stay small.
constexpr TokenId kLargestId = (TokenId{1} << 22) - 1;

// tokenizer.json in two parts: the vocabulary and the merges, of which there are hundreds of
// thousands, and all else.
struct TokenizerFile {
  BpeFile bpe;
  std::optional<UnigramFile> unigram;  // in its place
  Json rest = Json::object();          // without "vocab" and "merges" of "model"
};

// kCorrupt for what is no tokenizer.json; kRefused for a model other than BPE and Unigram, and
// beyond the limits on its size.
Result<TokenizerFile> parse_tokenizer_file(std::string_view text);

}  // namespace requant
