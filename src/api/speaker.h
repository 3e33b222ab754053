#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "model/model.h"
#include "requant/run.h"
#include "text/tokenizer.h"

namespace requant {

// The hidden states of all tokens, in pieces.
Result<std::vector<float>> hidden_states(const Model& model, std::span<const std::uint32_t> tokens,
                                         SequenceCache& cache);

// A model that continues texts, the likeliest token after another. It keeps what it computed of the
// last one for texts that begin as that one did.
class Speaker {
 public:
  static Result<Speaker> open(const RunOptions& options);

  const Tokenizer& tokenizer() const { return tokenizer_; }
  // `on_text` gets the text piece by piece. kUsage for a prompt of no tokens.
  Result<Continuation> go_on(std::vector<std::uint32_t> prompt, std::uint64_t max_tokens,
                             const std::function<void(std::string_view)>& on_text);

 private:
  Speaker(Tokenizer tokenizer, Model model, std::vector<std::uint32_t> ends)
      : tokenizer_(std::move(tokenizer)), model_(std::move(model)), ends_(std::move(ends)) {}

  // Gives the hidden state after the last token.
  Result<std::vector<float>> read(std::span<const std::uint32_t> tokens);

  Tokenizer tokenizer_;
  Model model_;
  std::vector<std::uint32_t> ends_;
  SequenceCache cache_;
  std::vector<std::uint32_t> read_;  // the tokens that the cache is of
};

}  // namespace requant
