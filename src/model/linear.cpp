#include "model/linear.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "tensor/float_formats.h"

namespace requant {
namespace {

bool can_round(const Activations& a) {
  const bool element = (a.element == Element::kInt && a.bits == 8) || a.element == Element::kE4M3Fn;
  if (a.kind == ActivationKind::kNone) return true;
  if (a.kind == ActivationKind::kStatic) return element && a.granularity == Granularity::kTensor;
  return element && a.granularity == Granularity::kToken && a.symmetric;
}

float rounded(float value, float scale, float zero, Element element) {
  if (element == Element::kE4M3Fn) return e4m3fn_to_f32(f32_to_e4m3fn(value / scale)) * scale;
  const float code = std::clamp(std::nearbyint(value / scale) + zero, -128.0F, 127.0F);
  return (code - zero) * scale;
}

void round_inputs(const ModuleMatrix& weight, std::span<float> inputs, std::size_t tokens) {
  const Activations& a = weight.activations;
  const std::size_t cols = weight.matrix.cols();
  const float largest = a.element == Element::kInt ? 127.0F : 448.0F;
  for (std::size_t t = 0; t < tokens; ++t) {
    const std::span<float> token = inputs.subspan(t * cols, cols);
    float scale = weight.input_scale;
    if (a.kind == ActivationKind::kDynamic) {
      float most = 0;
      for (const float x : token) most = std::max(most, std::fabs(x));
      scale = most / largest;
    }
    if (!(scale > 0)) continue;
    for (float& x : token) x = rounded(x, scale, weight.input_zero, a.element);
  }
}

}  // namespace

Result<Linear> Linear::load(ModuleWeights& weights, const std::string& module, std::int64_t rows,
                            std::int64_t cols, InputRounding rounding) {
  Linear linear;
  RQ_TRY(linear.weight_, weights.matrix(module));
  RQ_TRY(linear.bias_, weights.bias(module));
  const kernel::RunMatrix& matrix = linear.weight_.matrix;
  if (matrix.rows() != static_cast<std::size_t>(rows) ||
      matrix.cols() != static_cast<std::size_t>(cols) ||
      (!linear.bias_.empty() && linear.bias_.size() != matrix.rows())) {
    return corrupt(fmt::format("{} is [{}, {}] with {} biases, config.json asks for [{}, {}]",
                               printable(module), matrix.rows(), matrix.cols(), linear.bias_.size(),
                               rows, cols));
  }
  const Activations& activations = linear.weight_.activations;
  linear.rounds_ = rounding == InputRounding::kStated && activations.kind != ActivationKind::kNone;
  if (linear.rounds_ && !can_round(activations)) {
    return refused(fmt::format("{}: activations {} are not supported, weight-only is",
                               printable(module), describe(activations)));
  }
  return linear;
}

std::vector<float> Linear::apply(std::span<const float> inputs, std::size_t tokens) const {
  const kernel::RunMatrix& matrix = weight_.matrix;
  const std::size_t cols = matrix.cols();
  std::vector<float> prepared;
  if (matrix.prepares()) {
    prepared.resize(inputs.size());
    for (std::size_t t = 0; t < tokens; ++t) {
      matrix.prepare(inputs.subspan(t * cols, cols), std::span(prepared).subspan(t * cols, cols));
    }
  } else if (rounds_) {
    prepared.assign(inputs.begin(), inputs.end());
  }
  if (rounds_) round_inputs(weight_, prepared, tokens);
  std::vector<float> out(tokens * matrix.rows());
  kernel::multiply(matrix, prepared.empty() ? inputs : std::span<const float>(prepared), tokens,
                   out.data(), matrix.rows());
  for (std::size_t t = 0; t < tokens && !bias_.empty(); ++t) {
    for (std::size_t r = 0; r < bias_.size(); ++r) out[t * bias_.size() + r] += bias_[r];
  }
  return out;
}

}  // namespace requant
