#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "model/layer.h"

namespace requant {

// What a sequence has said so far.
struct SequenceCache {
  std::vector<LayerCache> layers;
  std::size_t positions = 0;
};

// A decoder that runs in F32 from weights as they are stored.
class Model {
 public:
  // Reads all weights of the language model. kRefused for a family that is not run, by name.
  static Result<Model> load(const Checkpoint& checkpoint, InputRounding rounding);

  std::size_t vocabulary() const { return head_ ? head_->outputs() : embedding_.matrix.rows(); }

  // The last hidden states, normalised, of tokens that come after those of the cache.
  // kUsage for an id beyond the vocabulary.
  Result<std::vector<float>> hidden(std::span<const std::uint32_t> tokens,
                                    SequenceCache& cache) const;
  // The logits of that many hidden states, [count, vocabulary].
  std::vector<float> logits(std::span<const float> hidden) const;

 private:
  struct Layer {
    Norm attention_norm;
    Attention attention;
    Norm mlp_norm;
    std::optional<Mlp> mlp;
    std::optional<Experts> experts;
  };
  static Result<Layer> load_layer(ModuleWeights& weights, const ForwardPart& part,
                                  const ModelConfig& config, std::int64_t index,
                                  InputRounding rounding);

  ModelConfig config_;
  ModuleMatrix embedding_;
  std::vector<Layer> layers_;
  Norm norm_;
  std::optional<Linear> head_;  // nothing: the embedding is the head, too
};

}  // namespace requant
