#pragma once

#include <cstdint>
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
  double max_relative = 0;  // largest change over the largest magnitude of its row
};

// e5m2 -> e4m3fn: codes x 2^-7, rounded to nearest even, and scales x 2^7; the largest e5m2, 57344,
// becomes 448. Activations that were e5m2 become e4m3fn. kRefused for infinite or NaN codes and
// where a scale would overflow. Its loss is "code-rounding" unless codes == 0.
Result<CodeRounding> e5m2_to_e4m3fn(const QuantizedWeight& weight);

// The same weight on a finer grid, each value repeated: tensor -> channel or block, channel ->
// group and so on. kRefused when a cell of `grid` would lie in two cells of the weight's.
Result<QuantizedWeight> refine_grid(const QuantizedWeight& weight, const Grid& grid);

struct ScaleRounding {
  QuantizedWeight weight;
  std::uint64_t scales = 0;  // whose value changed; 0 for F16 or BF16 to F32
};

// Scales (not the outer ones) in another of F32, F16 and BF16, rounded to nearest even; they may be
// powers of two (E8M0) before. kRefused
// where a finite scale would become infinite, or one other than 0 would become 0. Its loss is
// "scale-rounding" unless scales == 0.
Result<ScaleRounding> with_scale_dtype(const QuantizedWeight& weight, DType dtype);

struct OuterTurn {
  QuantizedWeight weight;
  bool exact = true;  // 1 / x is x's reciprocal to the last bit, so that nothing was rounded
};

// The outer scale as a divisor instead of a multiplier or the other way round: 1 / x in F32. Its
// loss is "scale-rounding" unless exact. REQUIRES: one F32 outer scale for the tensor. kRefused
// where the reciprocal is not a positive finite number.
Result<OuterTurn> with_outer_orientation(const QuantizedWeight& weight, Orientation orientation);

// The same weight with activations that need no stored scale: none or dynamic. The loss is
// "activations-dropped" or "activations-changed".
QuantizedWeight with_activations(QuantizedWeight weight, const Activations& activations);

}  // namespace requant
