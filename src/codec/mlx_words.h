#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

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

// Codes and scales of a weight whose tensors fit `scheme`, as scheme_of() of the codec has found.
Result<QuantizedWeight> decode_mlx(const WeightParts& parts, const Scheme& scheme);

// `weight` and `scales`, these stored as `scales`; kRefused, in the name of the codec, for groups
// that are not whole.
Result<std::vector<PartSpec>> mlx_layout(std::string_view codec, const Scheme& scheme, DType scales,
                                         std::int64_t rows, std::int64_t cols);

// The same two of a weight, as `specs` of mlx_layout() say.
Result<WeightParts> encode_mlx(const QuantizedWeight& weight, const std::vector<PartSpec>& specs);

// What no MLX layout can hold: activations, permutations, factors of inputs.
bool is_plain_mlx(const Scheme& scheme);

}  // namespace requant
