#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "codec/codec.h"

namespace requant {

// Codes of 8 bits, one a byte in `weight`, and a scale tensor beside them. The FP8 and INT8 layouts
// of several tools are this and differ in names and in how one value of a tensor or a row is
// shaped.
struct ScaledLayout {
  std::string_view codec;            // for messages
  bool (*holds)(const Scheme&);      // beyond holds_scaled()
  std::string_view scale;            // "weight_scale_inv"
  std::string_view input_scale;      // "activation_scale"; empty: activations are never static
  std::string_view multiplier = {};  // "pre_quant_scale"; empty: the layout has none
  bool one_is_1d = false;            // one value for the whole tensor is written [1], else []
  bool column = true;                // a value for each row is [out, 1]; else only [out] is one
  bool spaced_blocks = false;        // blocks are written [m, 1, n, 1]
};

// What any such layout can hold: int8 and 8-bit floats, scales on a plain grid, no offsets.
bool holds_scaled(const Scheme& scheme);

// Other spellings are read too: ones among the dimensions do not count.
std::optional<Scheme> scaled_scheme_of(const ScaledLayout& layout, const WeightParts& parts,
                                       const Scheme& declared);
Result<QuantizedWeight> decode_scaled(const ScaledLayout& layout, const WeightParts& parts,
                                      const Scheme& scheme);
Result<std::vector<PartSpec>> scaled_specs(const ScaledLayout& layout, const Scheme& scheme,
                                           std::int64_t rows, std::int64_t cols);
Result<WeightParts> encode_scaled(const ScaledLayout& layout, const QuantizedWeight& weight);

// What other layouts with such companions share.

// The part as a tensor of that dtype and shape, whichever dimensions of 1 it is stored with.
Result<Tensor> require_shaped(const WeightParts& parts, std::string_view name, DType dtype,
                              Shape shape);
// A static activation scale, of any float dtype and one element, as [1].
Result<Tensor> require_input_scale(const WeightParts& parts, std::string_view name);

}  // namespace requant
