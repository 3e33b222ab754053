#pragma once

#include <span>

#include "model/model.h"
#include "requant/run.h"

namespace requant {

inline constexpr std::size_t kHeadPiece = 32;  // tokens of which logits are held at once

// With its inputs rounded as the options say.
Result<Model> load_model(const Checkpoint& checkpoint, const RunOptions& options);

// The natural logarithm of the sum of exponentials.
double log_sum(std::span<const float> logits);

}  // namespace requant
