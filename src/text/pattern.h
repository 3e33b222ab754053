#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace requant {

// A stretch of a text that a pattern matches, or one between two matches.
struct Stretch {
  std::size_t begin = 0;
  std::size_t end = 0;
  bool matched = false;
};

// A regular expression of a tokenizer, as Oniguruma reads it there. Patterns come from strangers:
// the work of one match is bounded by the text's length. Safe to use from several threads at once.
class SplitPattern {
 public:
  static Result<SplitPattern> compile(std::string_view pattern);
  // One that matches that text and nothing else.
  static SplitPattern literal(std::string text);

  SplitPattern(SplitPattern&&) noexcept;
  SplitPattern& operator=(SplitPattern&&) noexcept;
  ~SplitPattern();

  // The whole text in turn, without empty stretches. REQUIRES: `text` is valid UTF-8.
  Result<std::vector<Stretch>> split(std::string_view text) const;

 private:
  struct Compiled;
  explicit SplitPattern(std::unique_ptr<Compiled> compiled);
  std::unique_ptr<Compiled> compiled_;
};

}  // namespace requant
