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

// What happens to a weight between its decoding and its encoding.
struct Chain {
  bool repairs_zero_rows = false;  // the source's writer leaves rows of scale 0 behind
  bool rounds_to_e4m3fn = false;   // from e5m2
  std::optional<Grid> grid;
  std::optional<DType> scale_dtype;
  std::optional<Activations> activations;
  std::optional<int> bits;                 // wider integers of the same values
  std::optional<Orientation> orientation;  // of the outer scale
  bool requantises = false;                // to `result`, from the values themselves
  bool searches_scales = false;            // RoundingOptions::search_scale

  Scheme result;
  LossSet losses;
};

// The chain of least loss at whose end the target's dialect can hold the weight; nothing where
// there is none.
std::optional<Chain> find_chain(const Scheme& source, const Target& target);

// The codec in which the target writes weights of that scheme; nullptr where it cannot.
const Codec* writer_of(const Scheme& scheme, const Target& target);

// One loss as it turned out.
struct LossTaken {
  Loss loss = Loss::kCodeRounding;
  std::string bound;  // "12 codes, at most 2.2e-06 of the row's largest"
};

struct ChainResult {
  QuantizedWeight weight;
  std::vector<std::int64_t> repaired_rows;
  std::vector<LossTaken> losses;
};

// What quantising anew needs besides the weight itself: see RoundingOptions.
struct RoundingInputs {
  Tensor input_scale = {};
  float shared_magnitude = 0;
};

// Also checks that the weight is sound: kRefused for NaN codes and scales that cannot be meant.
Result<ChainResult> apply(const Chain& chain, const QuantizedWeight& weight,
                          const RoundingInputs& inputs = {});

// The most that a loss of this chain can change, as known before any data is read.
std::string bound_of(Loss loss);

}  // namespace requant
