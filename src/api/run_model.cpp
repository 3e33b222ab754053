#include "api/run_model.h"

#include <algorithm>
#include <cmath>

namespace requant {

Result<Model> load_model(const Checkpoint& checkpoint, const RunOptions& options) {
  return Model::load(checkpoint,
                     options.round_inputs ? InputRounding::kStated : InputRounding::kNone);
}

double log_sum(std::span<const float> logits) {
  const double most = *std::ranges::max_element(logits);
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - most);
  return most + std::log(sum);
}

}  // namespace requant
