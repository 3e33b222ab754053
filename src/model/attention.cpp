#include <algorithm>
#include <cmath>

#include "base/threads.h"
#include "kernel/dot_rows.h"
#include "model/layer.h"

namespace requant {
namespace {

// Sizes of one call.
struct Heads {
  std::size_t heads;
  std::size_t key_heads;
  std::size_t dim;

  explicit Heads(const ModelConfig& config)
      : heads(static_cast<std::size_t>(config.heads)),
        key_heads(static_cast<std::size_t>(config.key_heads)),
        dim(static_cast<std::size_t>(config.head_dim)) {}
};

void softmax(std::span<float> scores, float scale) {
  float most = scores[0];
  for (const float score : scores) most = std::max(most, score);
  float sum = 0;
  for (float& score : scores) {
    score = std::exp((score - most) * scale);
    sum += score;
  }
  for (float& score : scores) score /= sum;
}

// One head of one token: `first` to `count` are the positions that it sees.
void attend(const Heads& h, const LayerCache& cache, std::span<const float> query,
            std::size_t key_head, std::size_t first, std::size_t count, std::span<float> out) {
  const std::size_t stride = h.key_heads * h.dim;
  const std::size_t begin = first * stride + key_head * h.dim;
  std::vector<float> scores(count - first);
  kernel::dot_rows_kernel().run({.weights = cache.keys.data() + begin,
                                 .stride = stride,
                                 .rows = scores.size(),
                                 .inputs = query.data(),
                                 .input_stride = h.dim,
                                 .tokens = 1,
                                 .cols = h.dim,
                                 .out = scores.data(),
                                 .out_stride = scores.size()});
  softmax(scores, 1 / std::sqrt(static_cast<float>(h.dim)));
  std::ranges::fill(out, 0.0F);
  const float* value = cache.values.data() + begin;
  for (const float score : scores) {
    for (std::size_t i = 0; i < h.dim; ++i) out[i] += score * value[i];
    value += stride;
  }
}

}  // namespace

Result<Attention> Attention::load(ModuleWeights& weights, const LayerNames& names,
                                  const ModelConfig& config, std::int64_t window,
                                  InputRounding rounding) {
  Attention attention;
  const std::int64_t queries = config.heads * config.head_dim;
  const std::int64_t keys = config.key_heads * config.head_dim;
  RQ_TRY(attention.query_,
         Linear::load(weights, names.of("query"), queries, config.hidden, rounding));
  RQ_TRY(attention.key_, Linear::load(weights, names.of("key"), keys, config.hidden, rounding));
  RQ_TRY(attention.value_, Linear::load(weights, names.of("value"), keys, config.hidden, rounding));
  RQ_TRY(attention.output_,
         Linear::load(weights, names.of("attention_output"), config.hidden, queries, rounding));
  if (!names.of("query_norm").empty()) {
    RQ_TRY(attention.query_norm_,
           Norm::load(weights, names.of("query_norm"), config.head_dim, config.epsilon));
    RQ_TRY(attention.key_norm_,
           Norm::load(weights, names.of("key_norm"), config.head_dim, config.epsilon));
  }
  attention.window_ = window;
  return attention;
}

void Attention::turn(const ModelConfig& config, std::vector<float>& values, std::size_t tokens,
                     std::size_t begin, const std::optional<Norm>& norm) const {
  if (norm) norm->apply(values);
  const std::size_t width = values.size() / tokens;
  const auto dim = static_cast<std::size_t>(config.head_dim);
  for (std::size_t t = 0; t < tokens; ++t) {
    for (std::size_t at = 0; at < width; at += dim) {
      config.rope.turn(std::span(values).subspan(t * width + at, dim),
                       static_cast<std::int64_t>(begin + t));
    }
  }
}

std::vector<float> Attention::apply(const ModelConfig& config, std::span<const float> inputs,
                                    std::size_t tokens, std::size_t begin,
                                    LayerCache& cache) const {
  const Heads h(config);
  std::vector<float> queries = query_.apply(inputs, tokens);
  std::vector<float> keys = key_.apply(inputs, tokens);
  const std::vector<float> values = value_.apply(inputs, tokens);
  turn(config, queries, tokens, begin, query_norm_);
  turn(config, keys, tokens, begin, key_norm_);
  cache.keys.insert(cache.keys.end(), keys.begin(), keys.end());
  cache.values.insert(cache.values.end(), values.begin(), values.end());
  std::vector<float> mixed(tokens * h.heads * h.dim);
  const std::size_t grain = (std::size_t{1} << 16) / ((begin + tokens) * h.dim) + 1;
  parallel_for(tokens * h.heads, grain, [&](std::size_t first, std::size_t last) {
    for (std::size_t i = first; i < last; ++i) {
      const std::size_t seen = begin + i / h.heads + 1;
      const auto window = static_cast<std::size_t>(window_);
      const std::size_t oldest = window_ > 0 && seen > window ? seen - window : 0;
      attend(h, cache, std::span(queries).subspan(i * h.dim, h.dim),
             i % h.heads / (h.heads / h.key_heads), oldest, seen,
             std::span(mixed).subspan(i * h.dim, h.dim));
    }
  });
  return output_.apply(mixed, tokens);
}

}  // namespace requant
