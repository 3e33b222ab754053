#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace requant {

// How tokens become text: "decoder" of tokenizer.json.
class TokenDecoder {
 public:
  using Step = std::function<Result<void>(std::vector<std::string>& tokens)>;

  // nullptr or null: tokens with spaces between them. kRefused for a type that is not known.
  static Result<TokenDecoder> parse(const Json* json);

  // REQUIRES: each token is valid UTF-8, as the text then is.
  Result<std::string> apply(std::vector<std::string> tokens) const;

 private:
  std::vector<Step> steps_;
  bool spaced_ = true;
};

}  // namespace requant
