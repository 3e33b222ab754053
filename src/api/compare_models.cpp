#include <algorithm>
#include <cmath>
#include <utility>

#include "api/run_model.h"
#include "base/json.h"
#include "base/threads.h"
#include "text/tokenizer.h"

namespace requant {
namespace {

constexpr std::string_view kText =
    "Water covers most of the Earth, yet little of it can be drunk. Rivers carry what the rain "
    "leaves on the hills down to the sea; there the sun lifts it again, and the circle closes.\n"
    "def area(width, height):\n    return width * height\n\n"
    "In 1869 a chemist in St. Petersburg put 63 elements in order of their weights and left gaps "
    "for those that nobody had found. Within 20 years three of the gaps were filled.\n"
    "Zwei mal drei ist sechs, und sechs mal sieben ist 42.\n";

struct Sums {
  std::uint64_t tokens = 0;
  std::uint64_t same_top = 0;
  double difference = 0;
  double magnitude = 0;
  double kl = 0;
  double largest_kl = 0;
};

void add_token(std::span<const float> first, std::span<const float> second, Sums& sums) {
  const double first_sum = log_sum(first);
  const double second_sum = log_sum(second);
  double kl = 0;
  for (std::size_t i = 0; i < first.size(); ++i) {
    const auto a = static_cast<double>(first[i]);
    const auto b = static_cast<double>(second[i]);
    sums.difference = std::max(sums.difference, std::fabs(a - b));
    sums.magnitude = std::max(sums.magnitude, std::fabs(a));
    kl += std::exp(a - first_sum) * ((a - first_sum) - (b - second_sum));
  }
  kl = std::max(0.0, kl);
  sums.tokens += 1;
  sums.kl += kl;
  sums.largest_kl = std::max(sums.largest_kl, kl);
  const auto top = [](std::span<const float> logits) {
    return std::ranges::max_element(logits) - logits.begin();
  };
  sums.same_top += top(first) == top(second) ? 1 : 0;
}

Result<void> add_window(const Model& first, const Model& second,
                        std::span<const std::uint32_t> tokens, Sums& sums) {
  SequenceCache first_cache;
  SequenceCache second_cache;
  for (std::size_t at = 0; at < tokens.size(); at += kHeadPiece) {
    const auto piece = tokens.subspan(at, std::min(kHeadPiece, tokens.size() - at));
    RQ_TRY(const std::vector<float> first_states, first.hidden(piece, first_cache));
    RQ_TRY(const std::vector<float> second_states, second.hidden(piece, second_cache));
    const std::vector<float> a = first.logits(first_states);
    const std::vector<float> b = second.logits(second_states);
    const std::size_t width = a.size() / piece.size();
    for (std::size_t t = 0; t < piece.size(); ++t) {
      add_token(std::span(a).subspan(t * width, width), std::span(b).subspan(t * width, width),
                sums);
    }
  }
  return {};
}

}  // namespace

Result<ModelComparison> compare_models(const RunOptions& first, const RunOptions& second,
                                       std::string_view text, std::uint64_t window) {
  return or_out_of_memory([&]() -> Result<ModelComparison> {
    if (first.threads > 0) set_thread_limit(first.threads);
    if (window < 1) return usage("a window is at least 1 token");
    RQ_TRY(const Checkpoint first_checkpoint, Checkpoint::open(first.source));
    RQ_TRY(const Checkpoint second_checkpoint, Checkpoint::open(second.source));
    RQ_TRY(const Tokenizer tokenizer, Tokenizer::open(first_checkpoint.folder()));
    RQ_TRY(const auto ids, tokenizer.encode(text.empty() ? kText : text, SpecialTokens::kLeave));
    if (ids.empty()) return usage("a text of no tokens");
    RQ_TRY(const Model a, load_model(first_checkpoint, first));
    RQ_TRY(const Model b, load_model(second_checkpoint, second));
    if (a.vocabulary() != b.vocabulary()) {
      return refused("the two models have vocabularies of different sizes");
    }
    Sums sums;
    for (std::size_t at = 0; at < ids.size(); at += window) {
      RQ_CHECK(add_window(
          a, b, std::span(ids).subspan(at, std::min<std::size_t>(window, ids.size() - at)), sums));
    }
    const auto tokens = static_cast<double>(sums.tokens);
    return ModelComparison{.tokens = sums.tokens,
                           .largest = sums.magnitude > 0 ? sums.difference / sums.magnitude : 0,
                           .mean_kl = sums.kl / tokens,
                           .largest_kl = sums.largest_kl,
                           .same_top = static_cast<double>(sums.same_top) / tokens};
  });
}

std::string to_json(const ModelComparison& comparison) {
  const Json json = Json::object({{"schema", "requant/verify-model/1"},
                                  {"tokens", comparison.tokens},
                                  {"largest", comparison.largest},
                                  {"mean_kl", comparison.mean_kl},
                                  {"largest_kl", comparison.largest_kl},
                                  {"same_top", comparison.same_top}});
  return json.dump(2) + "\n";
}

}  // namespace requant
