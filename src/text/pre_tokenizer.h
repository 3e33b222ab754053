#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace requant {

// A word, as tokens are made of.
struct Piece {
  std::string text;
  bool at_start = false;  // nothing of the whole text stands before it
};

// How a tokenizer cuts a text into words: "pre_tokenizer" of tokenizer.json.
class PreTokenizer {
 public:
  using Step = std::function<Result<void>(std::vector<Piece>& pieces)>;

  // nullptr or null: the text is one word. kRefused for a type that is not known, by name.
  static Result<PreTokenizer> parse(const Json* json);

  // REQUIRES: valid UTF-8.
  Result<std::vector<Piece>> apply(Piece text) const;

 private:
  std::vector<Step> steps_;
};

}  // namespace requant
