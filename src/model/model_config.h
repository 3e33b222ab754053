#pragma once

#include <cstdint>
#include <vector>

#include "arch/forward.h"
#include "base/result.h"
#include "model/rope.h"

namespace requant {

// What config.json says of how a decoder is computed.
struct ModelConfig {
  std::int64_t hidden = 0;
  std::int64_t layers = 0;
  std::int64_t heads = 0;
  std::int64_t key_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t vocabulary = 0;
  float epsilon = 1e-6F;
  float (*activation)(float) = nullptr;
  Rope rope;
  std::vector<std::int64_t> windows;  // by layer: positions that attention sees; 0: all
  bool tied = false;
  std::int64_t experts = 0;
  std::int64_t experts_per_token = 0;
  bool renormalised = false;  // the weights of the chosen experts sum to 1

  // `whole` is config.json. kRefused for what is known and not supported, by name.
  static Result<ModelConfig> parse(const ForwardPart& part, const Json& whole);
};

}  // namespace requant
