#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace requant {

// Rotary embedding of one head: number i is turned together with number i + head_dim / 2.
struct Rope {
  std::vector<float> frequencies;  // head_dim / 2, radians a position
  float scale = 1;                 // of sine and cosine

  // `config` is that of the language model. kRefused for a type that is not known.
  static Result<Rope> parse(const Json& config, std::int64_t head_dim, std::int64_t context);

  void turn(std::span<float> head, std::int64_t position) const;
};

}  // namespace requant
