#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/result.h"
#include "quant/scheme.h"
#include "tensor/tensor.h"

namespace requant {

// The neutral form: one weight of `rows` outputs and `cols` inputs, unpacked, that every codec
// reads into and writes from. Each element is the exact real number
//
//   (code - zero) x scale [x or / outer]            Offset::kNone and kZero
//   code x scale [x outer] + minimum [x outer min]  Offset::kMinimum
//
// A tensor that the scheme does not call for is empty.
struct QuantizedWeight {
  Scheme scheme;
  std::int64_t rows = 0;
  std::int64_t cols = 0;

  Tensor
      codes;  // [rows, cols]: I8 for Element::kInt, U8 bit patterns for floats, U8 or U16 indices
  Tensor scales;  // [grid rows, grid cols] of scheme.scale_dtype, raw bits as stored; with
                  // scale_codebook: U8 indices into it; integers (I8, U8) for K-quants
  Tensor zeros;   // I16 on the same grid, in the same signed convention as the codes
  Tensor minima;  // any dtype, on the same grid

  Tensor outer_scales;  // on scheme.outer->grid, raw bits as stored
  Tensor outer_minima;  // the same grid; multiplies `minima`

  // Nested bitsandbytes statistics. Their scales are F32 by definition: scale_codebook[index] x
  // outer is rounded to F32, and again after scale_offset was added, as their one reader does.
  Tensor scale_codebook;  // F32 [n]
  Tensor scale_offset;    // F32 [1]

  Tensor codebook;          // F32 [n], or [n, d] where one index gives d consecutive elements
  Tensor permutation;       // I32 [cols]: column of the grid that input k uses; beyond it: NaN
  Tensor input_multiplier;  // [cols] of scheme.multiplier_dtype

  Tensor input_scale;  // [1], a static activation scale, raw bits as stored; NVFP4 has one beside
                       // activations that are dynamic per group
  Tensor input_zero;   // I16 [1], beside input_scale, where activations are asymmetric

  // What only its own dialect needs to come back byte for byte: an order, a spare field.
  std::map<std::string, Tensor> dialect_private;
};

// Sizes and dtypes of every tensor against the scheme, rows and cols. Run by each codec at the end
// of decode() and the start of encode(). Does not look at values.
Result<void> validate(const QuantizedWeight& weight);

// The weight as F32 [rows, cols]: each element's exact value rounded once to F32. The permutation
// only chooses groups, columns stay in the order stored; input_multiplier is not applied.
// The reference: slow, and what every fast kernel is tested against.
Result<Tensor> dequantize(const QuantizedWeight& weight);

// How two weights differ. Everything is 0 and `first` empty when they are equal.
struct Difference {
  bool equal = true;           // in the sense of equal() below
  std::uint64_t elements = 0;  // whose exact values differ
  double max_relative = 0;     // max |a - b| / max |a|
  std::uint64_t max_ulp = 0;   // in F32
  std::string first;           // "[3, 17]: 0.125 against 0.25", or what else differs
};

// Equal: for every element the same exact real value, and the same permutation, input multiplier
// and activation scheme (a static scale included). How a factor is split between scales, the grid's
// refinement, the code's offset and the sign of zero do not count.
Result<Difference> compare(const QuantizedWeight& a, const QuantizedWeight& b);

}  // namespace requant
