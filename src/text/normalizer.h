#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace requant {

// What a tokenizer does to a text before it is cut: "normalizer" of tokenizer.json.
class Normalizer {
 public:
  using Step = std::function<Result<void>(std::string& text)>;

  // nullptr or null: none. kRefused for a type that is not known, by name.
  static Result<Normalizer> parse(const Json* json);

  // REQUIRES: valid UTF-8, which it stays.
  Result<std::string> apply(std::string text) const;

 private:
  std::vector<Step> steps_;
};

}  // namespace requant
