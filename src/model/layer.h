#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/linear.h"
#include "model/model_config.h"

namespace requant {

// Root mean square norm.
class Norm {
 public:
  // kCorrupt where it has not that many weights.
  static Result<Norm> load(ModuleWeights& weights, const std::string& module, std::int64_t size,
                           float epsilon);
  // Of each run of size() numbers, in place.
  void apply(std::span<float> values) const;

 private:
  std::vector<float> weight_;
  float epsilon_ = 0;
};

// Keys and values of the positions seen so far, of one layer.
struct LayerCache {
  std::vector<float> keys;  // [positions, key_heads x head_dim]
  std::vector<float> values;
};

// Names the modules of one layer by what they do; "" where the model has none.
class LayerNames {
 public:
  LayerNames(const ForwardPart& part, std::int64_t layer) : part_(part), layer_(layer) {}
  std::string of(std::string_view what, std::int64_t expert = -1) const;

 private:
  const ForwardPart& part_;
  std::int64_t layer_;
};

class Attention {
 public:
  static Result<Attention> load(ModuleWeights& weights, const LayerNames& names,
                                const ModelConfig& config, std::int64_t window,
                                InputRounding rounding);
  // `inputs` are of the tokens at positions `begin` and on; the cache holds those before.
  std::vector<float> apply(const ModelConfig& config, std::span<const float> inputs,
                           std::size_t tokens, std::size_t begin, LayerCache& cache) const;

 private:
  void turn(const ModelConfig& config, std::vector<float>& values, std::size_t tokens,
            std::size_t begin, const std::optional<Norm>& norm) const;

  Linear query_;
  Linear key_;
  Linear value_;
  Linear output_;
  std::optional<Norm> query_norm_;
  std::optional<Norm> key_norm_;
  std::int64_t window_ = 0;
};

// down(activation(gate(x)) x up(x)).
class Mlp {
 public:
  static Result<Mlp> load(ModuleWeights& weights, const std::string& gate, const std::string& up,
                          const std::string& down, const ModelConfig& config,
                          InputRounding rounding);
  std::vector<float> apply(const ModelConfig& config, std::span<const float> inputs,
                           std::size_t tokens) const;

 private:
  Linear gate_;
  Linear up_;
  Linear down_;
};

// An MLP of which each token takes a few.
class Experts {
 public:
  static Result<Experts> load(ModuleWeights& weights, const LayerNames& names,
                              const ModelConfig& config, InputRounding rounding);
  std::vector<float> apply(const ModelConfig& config, std::span<const float> inputs,
                           std::size_t tokens) const;

 private:
  Linear router_;
  std::vector<Mlp> experts_;
};

}  // namespace requant
