#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "codec/codec.h"
#include "dialect/dialect.h"
#include "plan/loss.h"
#include "plan/target.h"

namespace requant {

// What a weight takes over from those that engines load with it as one matrix.
struct Harmony {
  std::optional<float> scale;        // of the tensor, in a grid of one scale
  std::optional<float> outer;        // the outer scale, as it is stored
  std::optional<float> input_scale;  // of static activations, as it is stored
};

// What happens to a weight between its decoding and its encoding, in this order.
struct Chain {
  bool repairs_zero_rows = false;           // the source's writer leaves rows of scale 0 behind
  std::optional<DType> applies_multiplier;  // the factors of inputs go into unquantised values
  std::optional<Element> element;           // e5m2 to e4m3fn, e4m3fn to e4m3fnuz and back
  bool drops_permutation = false;           // which changes nothing
  std::optional<Offset> leaves_minima;      // for zero points, or none
  bool drops_zeros = false;                 // code - zero is a code too
  std::optional<int> bits;                  // wider integers of the same values
  std::optional<Orientation> regroups;      // MXFP4 to NVFP4, of that outer scale
  bool folds_outer = false;                 // into the scales
  std::optional<Orientation> orientation;   // of the outer scale
  std::optional<Orientation> input_orientation;  // of the activations' static scale
  std::optional<Harmony> harmony;
  std::optional<Grid> grid;
  std::optional<DType> scale_dtype;
  std::optional<DType> input_dtype;  // of the activations' static scale
  bool takes_minima = false;         // in place of zero points
  std::optional<Activations> activations;
  bool requantises = false;      // to `result`, from the values themselves
  bool searches_scales = false;  // RoundingOptions::search_scale
  bool rounds_as_ggml = false;   // round_as_ggml() in place of round_to_nearest()

  Scheme result;
  LossSet losses;    // that come whatever the numbers are
  LossSet possible;  // that come where the numbers do not fit, which only they tell
  LossSet leave;     // those of `possible` that may be taken

  // The weight stays as it is, but for repairs.
  bool changes_nothing() const;
};

// The chain of least loss at whose end the target's dialect can hold the weight; nothing where
// there is none. Groups divide `cols`, where that is not 0.
std::optional<Chain> find_chain(const Scheme& source, const Target& target, std::int64_t cols = 0);

// The codec in which the target writes weights of that scheme; nullptr where it cannot.
const Codec* writer_of(const Scheme& scheme, const Target& target);

// One loss as it turned out.
struct LossTaken {
  Loss loss = Loss::kCodeRounding;
  std::uint64_t codes = 0;   // whose value changed
  std::uint64_t scales = 0;  // that changed
  double max_relative = 0;   // the largest change of a value, over the weight's largest magnitude
  std::string note;          // "activations none"
};

struct ChainResult {
  QuantizedWeight weight;
  std::vector<std::int64_t> repaired_rows;
  std::vector<LossTaken> losses;
  // Between the repaired source and the result, as `verify` finds it; equal where all was exact.
  Difference difference;
};

// What quantising anew needs besides the weight itself: see RoundingOptions.
struct RoundingInputs {
  Tensor input_scale = {};
  float shared_magnitude = 0;
  Tensor importance = {};  // F32 [cols], of round_as_ggml()
};

// Also checks that the weight is sound: kRefused for NaN codes and scales that cannot be meant, and
// for a loss without leave, naming it with its numbers.
Result<ChainResult> apply(const Chain& chain, const QuantizedWeight& weight,
                          const RoundingInputs& inputs = {});

// The most that a loss of this chain can change, as known before any data is read.
std::string bound_of(Loss loss);

}  // namespace requant
