#include "plan/harmony.h"

#include <algorithm>
#include <cstring>

#include "base/text.h"

namespace requant {
namespace {

// Parts that are this much smaller than the largest hold scales of tensors, rows or inputs.
constexpr std::uint64_t kSmall = 16;

Result<Tensor> zeros_of(const TensorInfo& info) {
  RQ_TRY(TensorBuilder builder, TensorBuilder::make(info.dtype, info.shape));
  std::memset(builder.bytes().data(), 0, builder.bytes().size());
  return std::move(builder).finish();
}

// The weight with codes of 0: decoding needs them, and nothing here looks at them.
Result<QuantizedWeight> read_scales(const Checkpoint& checkpoint, const Weight& weight) {
  std::uint64_t largest = 0;
  for (const auto& [suffix, info] : weight.parts) largest = std::max(largest, info->bytes);
  WeightParts parts;
  for (const auto& [suffix, info] : weight.parts) {
    const bool is_small = info->bytes * kSmall < largest;
    RQ_TRY(parts[suffix], is_small ? checkpoint.source().read(*info) : zeros_of(*info));
  }
  return weight.codec->decode(parts, weight.scheme);
}

// What one weight would have without harmony, as the result stores it.
struct Own {
  std::size_t step = 0;
  std::optional<float> scale;
  std::optional<float> outer;
  std::optional<float> input_scale;
};

float largest_of(const Tensor& scales) {
  double largest = 0;
  for (std::int64_t i = 0; i < scales.elements(); ++i) {
    largest = std::max(largest, element_as_double(scales, i));
  }
  return static_cast<float>(largest);
}

float as_stored(const Tensor& scale, bool turned) {
  const auto value = static_cast<float>(element_as_double(scale, 0));
  return turned ? 1 / value : value;
}

// Whether the steps before the harmony leave what it compares: codes of another element or an outer
// scale that only the codes tell are left alone.
bool can_compare(const Chain& chain) {
  return !chain.requantises && !chain.element && !chain.regroups && !chain.folds_outer;
}

Result<Own> own_of(const Checkpoint& checkpoint, const Weight& weight, const Chain& chain) {
  Own own;
  RQ_TRY_IN(const QuantizedWeight scales, read_scales(checkpoint, weight),
            printable(weight.module));
  const Scheme& result = chain.result;
  if (result.grid.is_tensor() && !result.outer) own.scale = largest_of(scales.scales);
  if (result.outer && result.outer->grid.is_tensor() && result.outer->dtype == DType::kF32) {
    own.outer = as_stored(scales.outer_scales, chain.orientation.has_value());
  }
  if (!scales.input_scale.empty() && !chain.activations) {
    own.input_scale = as_stored(scales.input_scale, chain.input_orientation.has_value());
  }
  return own;
}

bool has_one_scale(const Scheme& scheme) {
  return scheme.grid.is_tensor() || (scheme.outer && scheme.outer->grid.is_tensor()) ||
         scheme.activations.kind == ActivationKind::kStatic;
}

// The one that covers all: the largest factor or the smallest divisor; nothing where a member has
// none.
std::optional<float> common(const std::vector<Own>& members, std::optional<float> Own::*value,
                            Orientation orientation) {
  std::optional<float> best;
  for (const Own& member : members) {
    if (!(member.*value)) return std::nullopt;
    const float own = *(member.*value);
    const bool covers = orientation == Orientation::kDivisor ? own < best.value_or(own + 1)
                                                             : own > best.value_or(own - 1);
    if (!best || covers) best = own;
  }
  return best;
}

std::optional<float> taken_over(const std::optional<float>& own, const std::optional<float>& all) {
  return all && own != all ? all : std::nullopt;
}

}  // namespace

Result<std::map<std::size_t, Harmony>> find_harmony(const Checkpoint& checkpoint,
                                                    const Plan& plan) {
  std::map<std::string, std::vector<std::size_t>> groups;
  for (std::size_t i = 0; i < plan.weights.size(); ++i) {
    const Route& route = plan.routes[plan.weights[i].route];
    const std::string& fused = plan.weights[i].weight->place.fused;
    // What is taken apart or put together has its scales elsewhere.
    const bool counts = plan.weights[i].regrouped == nullptr && route.to != nullptr &&
                        !fused.empty() && can_compare(route.chain) &&
                        has_one_scale(route.chain.result);
    if (counts) groups[fused].push_back(i);
  }
  std::map<std::size_t, Harmony> harmony;
  for (const auto& [fused, steps] : groups) {
    if (steps.size() < 2) continue;
    std::vector<Own> members;
    for (const std::size_t step : steps) {
      const WeightStep& weight = plan.weights[step];
      RQ_TRY(Own own, own_of(checkpoint, *weight.weight, plan.routes[weight.route].chain));
      own.step = step;
      members.push_back(own);
    }
    const Scheme& result = plan.routes[plan.weights[steps.front()].route].chain.result;
    const auto outer_orientation =
        result.outer ? result.outer->orientation : Orientation::kMultiplier;
    const auto scale = common(members, &Own::scale, Orientation::kMultiplier);
    const auto outer = common(members, &Own::outer, outer_orientation);
    const auto input = common(members, &Own::input_scale, result.activations.orientation);
    for (const Own& own : members) {
      const Harmony one{.scale = taken_over(own.scale, scale),
                        .outer = taken_over(own.outer, outer),
                        .input_scale = taken_over(own.input_scale, input)};
      if (one.scale || one.outer || one.input_scale) harmony.emplace(own.step, one);
    }
  }
  return harmony;
}

LossSet losses_of(const Harmony& harmony) {
  LossSet losses;
  if (harmony.scale) losses.add(Loss::kRequantise);
  if (harmony.outer) losses.add(Loss::kScaleRounding);
  if (harmony.input_scale) losses.add(Loss::kActivationsChanged);
  return losses;
}

}  // namespace requant
