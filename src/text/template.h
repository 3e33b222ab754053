#pragma once

#include <vector>

#include "base/json.h"
#include "text/bpe.h"

namespace requant {

// The special tokens around a text: "post_processor" of tokenizer.json.
struct TokenTemplate {
  std::vector<TokenId> before;
  std::vector<TokenId> after;

  // nullptr or null: none. kRefused for a type that is not known, by name.
  static Result<TokenTemplate> parse(const Json* json);
};

}  // namespace requant
