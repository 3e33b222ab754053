#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "codec/codec.h"

// MLX stores the codes of a row as one stream of bits, the lowest first, in U32 words, and what
// belongs to a group of them in companions of as many dimensions:
//
//   weight  U32  [out, in x bits / 32]    [experts, out, in x bits / 32] where a layer has experts
//   scales       [out, in / group]        and so on
//
// The neutral form has the rows of all experts, one after the other.
namespace requant {

struct MlxShape {
  std::int64_t experts = 1;
  std::int64_t rows = 0;    // of all experts
  std::int64_t words = 0;   // of a row
  std::int64_t groups = 0;  // of a row
};

// The sizes, when `weight` and `scales` are of one shape but for the last dimension; no data is
// looked at. Nothing for other shapes, and where words or codes could not be counted.
std::optional<MlxShape> mlx_shape(const WeightParts& parts);

// True where a row of the words is as many whole groups of codes of so many bits.
bool fits_mlx(const MlxShape& shape, int bits, std::int64_t group);

// Codes of a row.
std::int64_t mlx_cols(const MlxShape& shape, int bits);

// What no MLX layout can hold: activations, permutations, factors of inputs.
bool is_plain_mlx(const Scheme& scheme);

}  // namespace requant
