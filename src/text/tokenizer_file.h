#pragma once

#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "text/bpe.h"

namespace requant {

// tokenizer.json in two parts: the vocabulary and the merges, of which there are hundreds of
// thousands, and all else.
struct TokenizerFile {
  BpeFile bpe;
  Json rest = Json::object();  // without "vocab" and "merges" of "model"
};

// kCorrupt for what is no tokenizer.json; kRefused for a model other than BPE, and beyond the
// limits on its size.
Result<TokenizerFile> parse_tokenizer_file(std::string_view text);

}  // namespace requant
