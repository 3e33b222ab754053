#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/module_weights.h"

namespace requant {

// What is done to the inputs of quantised weights.
enum class InputRounding : std::uint8_t {
  kNone,    // nothing: weight-only
  kStated,  // what the checkpoint's dialect states
};

// y = x W^T + b for several tokens at once.
class Linear {
 public:
  // kRefused, with kStated, for a kind of activations that is not known; kCorrupt for another size.
  static Result<Linear> load(ModuleWeights& weights, const std::string& module, std::int64_t rows,
                             std::int64_t cols, InputRounding rounding);

  std::size_t outputs() const { return weight_.matrix.rows(); }
  // REQUIRES: inputs.size() == tokens x columns. Gives [tokens, outputs].
  std::vector<float> apply(std::span<const float> inputs, std::size_t tokens) const;

 private:
  ModuleMatrix weight_;
  std::vector<float> bias_;
  bool rounds_ = false;
};

}  // namespace requant
