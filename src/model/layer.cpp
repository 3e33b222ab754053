#include "model/layer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "arch/composition.h"
#include "base/text.h"

namespace requant {
std::string LayerNames::of(std::string_view what, std::int64_t expert) const {
  const auto found = part_.modules.find(what);
  if (found == part_.modules.end()) return {};
  return with_number(with_number(found->second, "{layer}", layer_), "{expert}", expert);
}

Result<Norm> Norm::load(ModuleWeights& weights, const std::string& module, std::int64_t size,
                        float epsilon) {
  Norm norm;
  norm.epsilon_ = epsilon;
  RQ_TRY(norm.weight_, weights.norm(module));
  if (std::ssize(norm.weight_) != size) {
    return corrupt(fmt::format("{} has {} numbers, config.json asks for {}", printable(module),
                               norm.weight_.size(), size));
  }
  return norm;
}

void Norm::apply(std::span<float> values) const {
  const std::size_t size = weight_.size();
  for (std::size_t at = 0; at + size <= values.size(); at += size) {
    const std::span<float> run = values.subspan(at, size);
    double squares = 0;
    for (const float x : run) squares += static_cast<double>(x) * static_cast<double>(x);
    const auto mean = static_cast<float>(squares / static_cast<double>(size));
    const float factor = 1 / std::sqrt(mean + epsilon_);
    for (std::size_t i = 0; i < size; ++i) run[i] = run[i] * factor * weight_[i];
  }
}

Result<Mlp> Mlp::load(ModuleWeights& weights, const std::string& gate, const std::string& up,
                      const std::string& down, const ModelConfig& config, InputRounding rounding) {
  Mlp mlp;
  // How wide it is, its own weight says: layers and experts differ.
  RQ_TRY(const ModuleMatrix narrow, weights.matrix(down));
  const auto width = static_cast<std::int64_t>(narrow.matrix.cols());
  RQ_TRY(mlp.gate_, Linear::load(weights, gate, width, config.hidden, rounding));
  RQ_TRY(mlp.up_, Linear::load(weights, up, width, config.hidden, rounding));
  RQ_TRY(mlp.down_, Linear::load(weights, down, config.hidden, width, rounding));
  return mlp;
}

std::vector<float> Mlp::apply(const ModelConfig& config, std::span<const float> inputs,
                              std::size_t tokens) const {
  std::vector<float> gated = gate_.apply(inputs, tokens);
  const std::vector<float> up = up_.apply(inputs, tokens);
  for (std::size_t i = 0; i < gated.size(); ++i) gated[i] = config.activation(gated[i]) * up[i];
  return down_.apply(gated, tokens);
}

Result<Experts> Experts::load(ModuleWeights& weights, const LayerNames& names,
                              const ModelConfig& config, InputRounding rounding) {
  Experts result;
  RQ_TRY(result.router_,
         Linear::load(weights, names.of("router"), config.experts, config.hidden, rounding));
  for (std::int64_t e = 0; e < config.experts; ++e) {
    RQ_TRY(Mlp mlp, Mlp::load(weights, names.of("expert_gate", e), names.of("expert_up", e),
                              names.of("expert_down", e), config, rounding));
    result.experts_.push_back(std::move(mlp));
  }
  return result;
}

namespace {

struct Choice {
  std::size_t token;
  float weight;
};

// Adds a token's choices, by expert.
void choose(const ModelConfig& config, std::span<float> scores, std::size_t token,
            std::vector<std::vector<Choice>>& choices) {
  const float most = *std::ranges::max_element(scores);
  float sum = 0;
  for (float& score : scores) sum += score = std::exp(score - most);
  for (float& score : scores) score /= sum;
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order,
                           [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  order.resize(static_cast<std::size_t>(config.experts_per_token));
  float chosen = 0;
  for (const std::size_t expert : order) chosen += scores[expert];
  for (const std::size_t expert : order) {
    choices[expert].push_back(
        {token, config.renormalised ? scores[expert] / chosen : scores[expert]});
  }
}

}  // namespace

std::vector<float> Experts::apply(const ModelConfig& config, std::span<const float> inputs,
                                  std::size_t tokens) const {
  std::vector<float> scores = router_.apply(inputs, tokens);
  std::vector<std::vector<Choice>> choices(experts_.size());
  for (std::size_t t = 0; t < tokens; ++t) {
    choose(config, std::span(scores).subspan(t * experts_.size(), experts_.size()), t, choices);
  }
  const std::size_t hidden = inputs.size() / tokens;
  std::vector<float> out(inputs.size(), 0.0F);
  for (std::size_t e = 0; e < experts_.size(); ++e) {
    if (choices[e].empty()) continue;
    std::vector<float> own;
    for (const Choice& choice : choices[e]) {
      const auto token = inputs.subspan(choice.token * hidden, hidden);
      own.insert(own.end(), token.begin(), token.end());
    }
    const std::vector<float> result = experts_[e].apply(config, own, choices[e].size());
    for (std::size_t i = 0; i < choices[e].size(); ++i) {
      float* to = out.data() + choices[e][i].token * hidden;
      for (std::size_t k = 0; k < hidden; ++k)
        to[k] += choices[e][i].weight * result[i * hidden + k];
    }
  }
  return out;
}

}  // namespace requant
