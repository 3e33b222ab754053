#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "quant/quantized_weight.h"

namespace requant {

// Steps between schemes that the neutral form can take without knowing any format. Each returns a
// new weight and shares what it does not change. REQUIRES for all: validate(weight).

struct ZeroRowRepair {
  QuantizedWeight weight;
  std::vector<std::int64_t> rows;  // those repaired, ascending
};

// lmdeploy divides by the largest magnitude of a row, so an all-zero row has scale 0 and, in fp8,
// NaN codes (per_channel_quant@1263d5cd). Such rows get codes 0 and scale 1. kRefused, naming the
// row: any other NaN or infinite code, codes other than 0 and NaN under scale 0, and a scale that
// is NaN, infinite or negative. For schemes with one float scale a channel.
Result<ZeroRowRepair> repair_zero_rows(const QuantizedWeight& weight);

// For dialects whose writers cannot have meant such rows: kRefused, naming the first row, for NaN
// or infinite codes and scales.
Result<void> check_sound(const QuantizedWeight& weight);

struct CodeRounding {
  QuantizedWeight weight;
  std::uint64_t codes = 0;  // whose value changed
};

// e5m2 -> e4m3fn: codes x 2^-7, rounded to nearest even, and scales x 2^7; the largest e5m2, 57344,
// becomes 448. Activations that were e5m2 become e4m3fn. kRefused for infinite or NaN codes and
// where a scale would overflow. Its loss is "code-rounding" unless codes == 0.
Result<CodeRounding> e5m2_to_e4m3fn(const QuantizedWeight& weight);

// e4m3fn -> e4m3fnuz, exactly: the same codes, which mean half as much, and scales x 2; -0, which
// fnuz has not, becomes 0. Activations keep the element that they have. kRefused for NaN codes and
// where a scale does not take a factor of 2.
Result<QuantizedWeight> e4m3fn_to_fnuz(const QuantizedWeight& weight);

// e4m3fnuz -> e4m3fn: the same codes and scales / 2. fnuz's largest, 240, has no such counterpart:
// cells with that code keep their scale, and the codes whose values lie between e4m3fn's smallest
// steps are rounded. Its loss is "code-rounding" unless codes == 0.
Result<CodeRounding> fnuz_to_e4m3fn(const QuantizedWeight& weight);

// The same weight on a finer grid, each value repeated: tensor -> channel or block, channel ->
// group and so on. kRefused when a cell of `grid` would lie in two cells of the weight's.
Result<QuantizedWeight> refine_grid(const QuantizedWeight& weight, const Grid& grid);

// True where each cell of `fine` lies in one cell of `coarse`, in a weight of that size.
bool is_finer(const Grid& fine, const Grid& coarse, std::int64_t rows, std::int64_t cols);

// The same weight on any other grid, where all that a cell of it covers has one scale and one zero;
// nothing where that is not so. Neither permuted nor under an outer scale of groups.
Result<std::optional<QuantizedWeight>> join_cells(const QuantizedWeight& weight, const Grid& grid);

// The largest scale of what each cell of `grid` covers, raw bits of the weight's scale dtype.
Result<Tensor> largest_scales(const QuantizedWeight& weight, const Grid& grid);

// The weight's values as the nearest codes under other scales, of the weight's scale dtype on
// `grid`. Codes whose scale stays are kept. Its loss is "requantise" unless codes == 0. For
// elements that have an encoder, without zeros and permutation; kRefused for others.
Result<CodeRounding> with_scales(const QuantizedWeight& weight, const Grid& grid,
                                 const Tensor& scales);

// Integer codes without their zero points, code - zero, in so many bits; nothing where one of them
// does not fit. Of fewer bits than `bits`, all do.
Result<std::optional<QuantizedWeight>> without_zeros(const QuantizedWeight& weight, int bits);

struct MinimaRounding {
  QuantizedWeight weight;
  std::uint64_t minima = 0;  // that were rounded
};

// Integers with zero points, or without, as codes from 0 with a minimum of -zero x scale in the
// dtype of the scales. Its loss is "zero-rounding" unless minima == 0. kRefused where a minimum
// would be infinite, and for schemes that have no plain scales.
Result<MinimaRounding> with_minima(const QuantizedWeight& weight);

// And back to `offset`; nothing where a minimum is no whole number of scales, or none that `offset`
// and the bits of the codes can hold.
Result<std::optional<QuantizedWeight>> without_minima(const QuantizedWeight& weight, Offset offset);

// Without the permutation, which changes nothing; nothing where it changes the order.
Result<std::optional<QuantizedWeight>> without_permutation(const QuantizedWeight& weight);

// The values x the factor of each input, rounded once to `dtype`, with no factors left: a weight
// that is not quantised. kRefused for minima and nested scales.
Result<QuantizedWeight> with_multiplier_applied(const QuantizedWeight& weight, DType dtype);

struct ScaleRounding {
  QuantizedWeight weight;
  std::uint64_t scales = 0;  // whose value changed; 0 for F16 or BF16 to F32
};

// Scales (not the outer ones) in another of F32, F16 and BF16, rounded to nearest even; they may be
// powers of two (E8M0) before. kRefused
// where a finite scale would become infinite, or one other than 0 would become 0. Its loss is
// "scale-rounding" unless scales == 0.
Result<ScaleRounding> with_scale_dtype(const QuantizedWeight& weight, DType dtype);

// Scales as powers of two (E8M0), where every one of them is one; nothing where one is not.
Result<std::optional<QuantizedWeight>> with_power_of_two_scales(const QuantizedWeight& weight);

struct OuterTurn {
  QuantizedWeight weight;
  bool exact = true;  // 1 / x is x's reciprocal to the last bit, so that nothing was rounded
};

// The outer scale as a divisor instead of a multiplier or the other way round: 1 / x in F32. Its
// loss is "scale-rounding" unless exact. REQUIRES: one F32 outer scale for the tensor. kRefused
// where the reciprocal is not a positive finite number.
Result<OuterTurn> with_outer_orientation(const QuantizedWeight& weight, Orientation orientation);

// The same of the activations' static scale, where there is one.
Result<OuterTurn> with_input_orientation(const QuantizedWeight& weight, Orientation orientation);

// Scales x or / the outer ones, in F32. Its loss is "scale-rounding" unless scales == 0. kRefused
// where one would not be finite, or would become 0.
Result<ScaleRounding> without_outer(const QuantizedWeight& weight);

struct Nvfp4Form {
  QuantizedWeight weight;
  std::uint64_t scales = 0;  // that do not fit
  std::uint64_t codes = 0;   // whose value changed, because their scale did not fit
};

// MXFP4 -> NVFP4: groups of 16 with e4m3fn scales under one power of two, which takes the largest
// scale to 2^8. Exact where the others are then at least 2^-9, e4m3fn's smallest; smaller ones
// become that, and their codes are rounded to it. Its loss is "scale-rounding" unless scales == 0.
Result<Nvfp4Form> mxfp4_to_nvfp4(const QuantizedWeight& weight, Orientation orientation);

// Under another outer scale, one for the tensor of the same orientation: inner scales x the ratio,
// rounded in their own dtype. Its loss is "scale-rounding" unless scales == 0.
Result<ScaleRounding> with_outer_scale(const QuantizedWeight& weight, float outer);

// The same weight with activations that need no stored scale: none or dynamic. The loss is
// "activations-dropped" or "activations-changed".
QuantizedWeight with_activations(QuantizedWeight weight, const Activations& activations);

}  // namespace requant
