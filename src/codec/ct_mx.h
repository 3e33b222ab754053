#pragma once

#include <optional>
#include <string_view>

#include "codec/codec.h"

// The microscaling formats of compressed-tensors: blocks of 32 inputs under one power of two.
//
//   weight_packed | weight  U8 | F8_E4M3  [out, in x bits / 8]
//   weight_scale            U8            [out, in / 32]  2^(b - 127); 255 is NaN
//
// The neutral form has the scales as F8_E8M0, bit for bit.
namespace requant {

struct MxLayout {
  std::string_view codec;
  Element element;
  std::string_view part;  // of the codes
  DType dtype;            // of that part
};

bool holds_mx(const MxLayout& layout, const Scheme& scheme);
std::optional<Scheme> scheme_of_mx(const MxLayout& layout, const WeightParts& parts,
                                   const Scheme& declared);
Result<QuantizedWeight> decode_mx(const MxLayout& layout, const WeightParts& parts,
                                  const Scheme& scheme);
Result<std::vector<PartSpec>> parts_of_mx(const MxLayout& layout, const Scheme& scheme,
                                          std::int64_t rows, std::int64_t cols);
Result<WeightParts> encode_mx(const MxLayout& layout, const QuantizedWeight& weight);

}  // namespace requant
