#include "plan/quantise_steps.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/text.h"
#include "plan/memory.h"
#include "plan/requantise.h"
#include "quant/rounding_rule.h"

namespace requant {
namespace {

constexpr std::size_t kNamesShown = 3;

const Chain& chain_of(const Plan& plan, const WeightStep& step) {
  return plan.routes[step.route].chain;
}

Error missing_scales(const std::vector<std::string>& modules, bool has_file) {
  std::vector<std::string> shown(
      modules.begin(),
      modules.begin() + static_cast<std::ptrdiff_t>(std::min(kNamesShown, modules.size())));
  const std::string more = modules.size() > shown.size()
                               ? fmt::format(" and {} more", modules.size() - shown.size())
                               : std::string();
  return refused(fmt::format("{}{}: {}", join(shown, ", "), more,
                             has_file ? "--input-scales has no scale of their inputs"
                                      : "static activations need --input-scales FILE"));
}

Result<void> add_input_scales(Plan& plan, const InputScales* scales) {
  std::vector<std::string> missing;
  bool is_used = false;
  for (WeightStep& step : plan.weights) {
    const Chain& chain = chain_of(plan, step);
    if (!chain.requantises || !needs_input_scale(chain.result)) continue;
    const Tensor* scale = scales == nullptr ? nullptr : scales->find(step.weight->module);
    if (scale == nullptr) {
      missing.push_back(printable(step.weight->module));
    } else {
      step.input_scale = *scale;
      is_used = true;
    }
  }
  if (!missing.empty()) return missing_scales(missing, scales != nullptr);
  if (scales == nullptr || is_used) return {};
  return usage(
      "--input-scales: no scheme has static activations; `-static` after its name says so");
}

void add_fellows(Plan& plan) {
  std::map<std::string_view, std::vector<const TensorInfo*>> groups;
  const auto shares = [&](const WeightStep& step) {
    const Chain& chain = chain_of(plan, step);
    return step.regrouped == nullptr && chain.requantises && shares_outer_scale(chain.result) &&
           step.weight->scheme.is_dense() && !step.weight->place.fused.empty();
  };
  for (const WeightStep& step : plan.weights) {
    if (shares(step)) groups[step.weight->place.fused].push_back(step.weight->parts[0].second);
  }
  for (WeightStep& step : plan.weights) {
    if (!shares(step)) continue;
    const TensorInfo* own = step.weight->parts[0].second;
    for (const TensorInfo* other : groups[step.weight->place.fused]) {
      if (other != own) step.fellows.push_back(other);
    }
  }
}

}  // namespace

Result<void> complete_quantise_steps(Plan& plan, const InputScales* scales) {
  RQ_CHECK(add_input_scales(plan, scales));
  add_fellows(plan);
  return {};
}

Result<float> largest_magnitude(const Source& source, const TensorInfo& info) {
  float largest = 0;
  const auto piece = static_cast<std::uint64_t>(kChunkBytes);
  for (std::uint64_t begin = 0; begin < info.bytes; begin += piece) {
    const auto size = std::min(piece, info.bytes - begin);
    const auto width = static_cast<std::uint64_t>(requant::info(info.dtype).bits / 8);
    const auto count = static_cast<std::int64_t>(size / width);
    RQ_TRY(TensorBuilder builder, TensorBuilder::make(info.dtype, {count}));
    RQ_CHECK(source.read_bytes(info, begin, builder.bytes()));
    const Tensor tensor = std::move(builder).finish();
    std::vector<float> values(static_cast<std::size_t>(count));
    load_f32(tensor, 0, values);
    for (const float value : values) {
      if (std::isfinite(value)) largest = std::max(largest, std::fabs(value));
    }
  }
  return largest;
}

}  // namespace requant
