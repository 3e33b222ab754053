#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "requant/result.h"

namespace requant {

struct RunOptions {
  std::filesystem::path source;
  int threads = 0;  // 0: as many as there are CPUs
  // Inputs of quantised weights are rounded as the dialect states; else only weights are quantised.
  bool round_inputs = false;
};

struct Logits {
  std::size_t vocabulary = 0;
  std::vector<float> values;  // [tokens, vocabulary]
};

// What the model says after each of the tokens, in F32.
Result<Logits> logits(const RunOptions& options, std::span<const std::uint32_t> tokens);
// "schema": "requant/logits/1".
std::string to_json(const Logits& logits, std::span<const std::uint32_t> tokens);

struct PerplexityReport {
  std::uint64_t tokens = 0;
  std::uint64_t windows = 0;
  std::uint64_t scored = 0;  // tokens but the first of each window
  double mean = 0;           // negative log-likelihood of a scored token, in nats
  double perplexity = 0;
};

// Of a text in windows that do not overlap, without special tokens.
Result<PerplexityReport> perplexity(
    const RunOptions& options, std::string_view text, std::uint64_t window,
    const std::function<void(std::uint64_t done, std::uint64_t all)>& progress = {});
// "schema": "requant/perplexity/1".
std::string to_json(const PerplexityReport& report);

struct Continuation {
  std::vector<std::uint32_t> prompt;
  std::vector<std::uint32_t> ids;
  std::string text;    // of `ids`, without special tokens
  bool ended = false;  // by a token that ends a text, which is not among `ids`
};

// The likeliest token after another. `on_text` gets the text piece by piece.
Result<Continuation> continue_text(const RunOptions& options, std::string_view prompt,
                                   std::uint64_t max_tokens,
                                   const std::function<void(std::string_view)>& on_text = {});
// "schema": "requant/run/1".
std::string to_json(const Continuation& continuation);

struct ModelComparison {
  std::uint64_t tokens = 0;
  double largest = 0;  // difference of two logits over the largest magnitude of the first model's
  double mean_kl = 0;  // of KL(first || second) after a token, in nats
  double largest_kl = 0;
  double same_top = 0;  // share of the tokens after which both put the same one first
};

// What two models say after each token of a text, in windows as perplexity() has them. The tokens
// are those of the first one's tokenizer; an empty text stands for one that is built in.
Result<ModelComparison> compare_models(const RunOptions& first, const RunOptions& second,
                                       std::string_view text, std::uint64_t window);
// "schema": "requant/verify-model/1".
std::string to_json(const ModelComparison& comparison);

}  // namespace requant
