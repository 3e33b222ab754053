#include "requant/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "api/run_model.h"
#include "api/speaker.h"
#include "base/json.h"
#include "base/threads.h"
#include "text/tokenizer.h"

namespace requant {
namespace {

// Negative log-likelihood of `token`.
double surprise(std::span<const float> logits, std::uint32_t token) {
  return log_sum(logits) - static_cast<double>(logits[token]);
}

// The sum over the tokens of a window but its first.
Result<double> window_surprise(const Model& model, std::span<const std::uint32_t> tokens) {
  SequenceCache cache;
  RQ_TRY(const std::vector<float> states, hidden_states(model, tokens, cache));
  const std::size_t width = states.size() / tokens.size();
  double sum = 0;
  for (std::size_t at = 0; at + 1 < tokens.size(); at += kHeadPiece) {
    const std::size_t count = std::min(kHeadPiece, tokens.size() - 1 - at);
    const auto values = model.logits(std::span(states).subspan(at * width, count * width));
    const std::size_t vocabulary = values.size() / count;
    for (std::size_t i = 0; i < count; ++i) {
      sum += surprise(std::span(values).subspan(i * vocabulary, vocabulary), tokens[at + i + 1]);
    }
  }
  return sum;
}

Json ids_json(std::span<const std::uint32_t> ids) {
  Json list = Json::array();
  for (const std::uint32_t id : ids) list.append(std::uint64_t{id});
  return list;
}

}  // namespace

Result<Logits> logits(const RunOptions& options, std::span<const std::uint32_t> tokens) {
  return or_out_of_memory([&]() -> Result<Logits> {
    if (options.threads > 0) set_thread_limit(options.threads);
    if (tokens.empty()) return usage("no tokens");
    RQ_TRY(const Checkpoint checkpoint, Checkpoint::open(options.source));
    RQ_TRY(const Model model, load_model(checkpoint, options));
    SequenceCache cache;
    RQ_TRY(const std::vector<float> states, hidden_states(model, tokens, cache));
    Logits result;
    result.vocabulary = model.vocabulary();
    result.values = model.logits(states);
    return result;
  });
}

Result<PerplexityReport> perplexity(
    const RunOptions& options, std::string_view text, std::uint64_t window,
    const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  return or_out_of_memory([&]() -> Result<PerplexityReport> {
    if (options.threads > 0) set_thread_limit(options.threads);
    if (window < 2) return usage("a window is at least 2 tokens");
    RQ_TRY(const Checkpoint checkpoint, Checkpoint::open(options.source));
    RQ_TRY(const Tokenizer tokenizer, Tokenizer::open(checkpoint.folder()));
    RQ_TRY(const auto ids, tokenizer.encode(text, SpecialTokens::kLeave));
    if (ids.size() < 2) return usage("a text of at least 2 tokens is needed");
    RQ_TRY(const Model model, load_model(checkpoint, options));
    PerplexityReport report{.tokens = ids.size()};
    double sum = 0;
    for (std::size_t at = 0; at + 1 < ids.size(); at += window) {
      const auto own = std::span(ids).subspan(at, std::min<std::size_t>(window, ids.size() - at));
      RQ_TRY(const double part, window_surprise(model, own));
      sum += part;
      report.windows += 1;
      report.scored += own.size() - 1;
      if (progress) progress(at + own.size(), ids.size());
    }
    report.mean = sum / static_cast<double>(report.scored);
    report.perplexity = std::exp(report.mean);
    return report;
  });
}

Result<Continuation> continue_text(const RunOptions& options, std::string_view prompt,
                                   std::uint64_t max_tokens,
                                   const std::function<void(std::string_view)>& on_text) {
  return or_out_of_memory([&]() -> Result<Continuation> {
    if (options.threads > 0) set_thread_limit(options.threads);
    RQ_TRY(Speaker speaker, Speaker::open(options));
    RQ_TRY(std::vector<std::uint32_t> ids, speaker.tokenizer().encode(prompt, SpecialTokens::kAdd));
    return speaker.go_on(std::move(ids), max_tokens, on_text);
  });
}

std::string to_json(const Logits& logits, std::span<const std::uint32_t> tokens) {
  Json rows = Json::array();
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    Json row = Json::array();
    for (std::size_t i = 0; i < logits.vocabulary; ++i) {
      row.append(Json::number(fmt::format("{}", logits.values[t * logits.vocabulary + i])));
    }
    rows.append(std::move(row));
  }
  const Json json = Json::object({{"schema", "requant/logits/1"},
                                  {"tokens", ids_json(tokens)},
                                  {"vocabulary", static_cast<std::uint64_t>(logits.vocabulary)},
                                  {"logits", std::move(rows)}});
  return json.dump() + "\n";
}

std::string to_json(const PerplexityReport& report) {
  const Json json = Json::object({{"schema", "requant/perplexity/1"},
                                  {"tokens", report.tokens},
                                  {"windows", report.windows},
                                  {"scored", report.scored},
                                  {"mean", report.mean},
                                  {"perplexity", report.perplexity}});
  return json.dump(2) + "\n";
}

std::string to_json(const Continuation& continuation) {
  const Json json = Json::object({{"schema", "requant/run/1"},
                                  {"prompt", ids_json(continuation.prompt)},
                                  {"ids", ids_json(continuation.ids)},
                                  {"text", continuation.text},
                                  {"ended", continuation.ended}});
  return json.dump(2) + "\n";
}

}  // namespace requant
