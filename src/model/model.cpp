#include "model/model.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace requant {
namespace {

// The language model of the checkpoint, under the names that its tensors have.
Result<ForwardPart> part_of(const Checkpoint& checkpoint, const ModuleWeights& weights) {
  const std::vector<ForwardPart> parts = forward_parts(checkpoint.config());
  const auto stored = std::ranges::find_if(parts, [&](const ForwardPart& part) {
    return part.rows != nullptr && weights.has(part.modules.find("embedding")->second);
  });
  if (stored != parts.end()) return *stored;
  for (const ForwardPart& part : parts) {
    if (part.rows != nullptr) return corrupt("no embedding among the weights");
  }
  const std::string family = parts.empty() ? checkpoint.architecture().name() : parts.back().family;
  return refused("models of the family " + in_quotes(family) + " are not run");
}

void add(std::vector<float>& sum, const std::vector<float>& values) {
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += values[i];
}

}  // namespace

Result<Model::Layer> Model::load_layer(ModuleWeights& weights, const ForwardPart& part,
                                       const ModelConfig& config, std::int64_t index,
                                       InputRounding rounding) {
  const LayerNames names(part, index);
  Layer layer;
  RQ_TRY(layer.attention_norm,
         Norm::load(weights, names.of("attention_norm"), config.hidden, config.epsilon));
  RQ_TRY(layer.attention,
         Attention::load(weights, names, config, config.windows[static_cast<std::size_t>(index)],
                         rounding));
  RQ_TRY(layer.mlp_norm, Norm::load(weights, names.of("mlp_norm"), config.hidden, config.epsilon));
  const std::string router = names.of("router");
  if (!router.empty() && weights.has(router)) {
    RQ_TRY(layer.experts, Experts::load(weights, names, config, rounding));
  } else {
    RQ_TRY(layer.mlp, Mlp::load(weights, names.of("gate"), names.of("up"), names.of("down"), config,
                                rounding));
  }
  return layer;
}

Result<Model> Model::load(const Checkpoint& checkpoint, InputRounding rounding) {
  ModuleWeights weights(checkpoint);
  RQ_TRY(const ForwardPart part, part_of(checkpoint, weights));
  Model model;
  RQ_TRY(model.config_, ModelConfig::parse(part, checkpoint.config()));
  const LayerNames names(part, -1);
  RQ_TRY(model.embedding_, weights.matrix(names.of("embedding")));
  const kernel::RunMatrix& embedding = model.embedding_.matrix;
  if (embedding.cols() != static_cast<std::size_t>(model.config_.hidden)) {
    return corrupt(fmt::format("the embedding has {} columns, config.json asks for {}",
                               embedding.cols(), model.config_.hidden));
  }
  for (std::int64_t i = 0; i < model.config_.layers; ++i) {
    RQ_TRY(Layer layer, load_layer(weights, part, model.config_, i, rounding));
    model.layers_.push_back(std::move(layer));
  }
  RQ_TRY(model.norm_,
         Norm::load(weights, names.of("norm"), model.config_.hidden, model.config_.epsilon));
  if (!model.config_.tied) {
    RQ_TRY(model.head_,
           Linear::load(weights, names.of("head"), static_cast<std::int64_t>(embedding.rows()),
                        model.config_.hidden, rounding));
  }
  return model;
}

Result<std::vector<float>> Model::hidden(std::span<const std::uint32_t> tokens,
                                         SequenceCache& cache) const {
  const auto width = static_cast<std::size_t>(config_.hidden);
  std::vector<float> states(tokens.size() * width);
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    if (tokens[t] >= embedding_.matrix.rows()) {
      return usage(fmt::format("token {}: the model has {}", tokens[t], embedding_.matrix.rows()));
    }
    embedding_.matrix.read(tokens[t], std::span(states).subspan(t * width, width));
  }
  if (tokens.empty()) return states;
  cache.layers.resize(layers_.size());
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    std::vector<float> inputs = states;
    layer.attention_norm.apply(inputs);
    add(states,
        layer.attention.apply(config_, inputs, tokens.size(), cache.positions, cache.layers[i]));
    inputs = states;
    layer.mlp_norm.apply(inputs);
    add(states, layer.mlp ? layer.mlp->apply(config_, inputs, tokens.size())
                          : layer.experts->apply(config_, inputs, tokens.size()));
  }
  cache.positions += tokens.size();
  norm_.apply(states);
  return states;
}

std::vector<float> Model::logits(std::span<const float> hidden) const {
  const std::size_t count = hidden.size() / static_cast<std::size_t>(config_.hidden);
  if (head_) return head_->apply(hidden, count);
  const kernel::RunMatrix& matrix = embedding_.matrix;
  std::vector<float> inputs(hidden.begin(), hidden.end());
  for (std::size_t i = 0; i < count && matrix.prepares(); ++i) {
    matrix.prepare(hidden.subspan(i * matrix.cols(), matrix.cols()),
                   std::span(inputs).subspan(i * matrix.cols(), matrix.cols()));
  }
  std::vector<float> out(count * matrix.rows());
  kernel::multiply(matrix, inputs, count, out.data(), matrix.rows());
  return out;
}

}  // namespace requant
