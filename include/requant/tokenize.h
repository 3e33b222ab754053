#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "requant/result.h"

namespace requant {

struct TokenizeOptions {
  std::filesystem::path source;  // a folder with a tokenizer.json, or such a file
  bool special = true;  // to text: the tokens that stand around a text; from text: special ones too
};

struct TokenizedText {
  std::vector<std::uint32_t> ids;
  std::vector<std::string> tokens;  // as the tokenizer's file has them
};

// Each text as the package `tokenizers` would encode it with the same file.
Result<std::vector<TokenizedText>> tokenize(const TokenizeOptions& options,
                                            std::span<const std::string> texts);

// And back.
Result<std::vector<std::string>> detokenize(const TokenizeOptions& options,
                                            std::span<const std::vector<std::uint32_t>> ids);

// "schema": "requant/tokenize/1".
std::string to_json(std::span<const TokenizedText> texts);

}  // namespace requant
