#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "dialect/dialect.h"

// MLX's block in config.json, under `quantization` and again under `quantization_config`:
//   {"group_size": 64, "bits": 4, "mode": "affine", "model.layers.0.mlp.up_proj": {...} | false}
namespace requant {

inline constexpr std::string_view kMlxKey = "quantization";

// How MLX is to take one module apart.
struct MlxSpec {
  std::string mode = "affine";
  int bits = 4;
  std::int64_t group = 64;
  friend bool operator==(const MlxSpec&, const MlxSpec&) = default;
};

struct MlxConfig {
  std::string where;  // the key; empty: config.json has none
  MlxSpec all;
  // Modules that the block names: nothing for those that it says are not quantised.
  std::map<std::string, std::optional<MlxSpec>, std::less<>> modules;

  // nullptr where the block says that the module is not quantised.
  const MlxSpec* spec_for(std::string_view module) const;
};

// The block of config.json; nothing where there is none.
Result<std::optional<MlxConfig>> read_mlx_config(const Json& config);

// What the block says of codes and groups, for codecs to compare with tensors.
Scheme declared_by(const MlxSpec& spec);
// And back. REQUIRES: an MLX codec holds the scheme.
MlxSpec spec_of(const Scheme& scheme);
Json json_of(const MlxSpec& spec);

}  // namespace requant
