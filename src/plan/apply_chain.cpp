#include <fmt/format.h>

#include <algorithm>

#include "codec/transform.h"
#include "plan/chain.h"
#include "plan/requantise.h"
#include "quant/round_to_nearest.h"

namespace requant {
namespace {

Result<QuantizedWeight> sound_weight(const Chain& chain, const QuantizedWeight& weight,
                                     std::vector<std::int64_t>& repaired) {
  if (!chain.repairs_zero_rows) {
    RQ_CHECK(check_sound(weight));
    return weight;
  }
  RQ_TRY(ZeroRowRepair repair, repair_zero_rows(weight));
  repaired = std::move(repair.rows);
  return std::move(repair.weight);
}

Result<Tensor> one_scale(DType dtype, float value) {
  RQ_TRY(TensorBuilder builder, TensorBuilder::make(DType::kF32, {1, 1}));
  builder.as<float>()[0] = value;
  Tensor scale = std::move(builder).finish();
  if (dtype == DType::kF32) return scale;
  QuantizedWeight holder;
  holder.scales = std::move(scale);
  RQ_TRY(ScaleRounding rounded, with_scale_dtype(holder, dtype));
  return std::move(rounded.weight.scales);
}

// Takes a sound weight through the steps of a chain, and keeps account of what they lose.
class Application {
 public:
  Application(const Chain& chain, const QuantizedWeight& source)
      : chain_(chain), source_(source), weight_(source) {}

  Result<QuantizedWeight> run(std::vector<LossTaken>& losses) {
    RQ_TRY(const bool fits, steps());
    if (!fits) RQ_CHECK(requantise());
    losses = std::move(losses_);
    return std::move(weight_);
  }

 private:
  // False where an exact step does not fit the numbers.
  Result<bool> steps() {
    RQ_CHECK(change_element());
    RQ_TRY(const bool ordered, drop_permutation());
    if (!ordered) return false;
    RQ_TRY(const bool left, leave_minima());
    if (!left) return false;
    RQ_TRY(const bool folded, drop_zeros());
    if (!folded) return false;
    if (!change_bits()) return miss(fmt::format("a code does not fit {} bits", *chain_.bits));
    RQ_CHECK(change_outer());
    RQ_TRY(const bool joined, change_grid());
    if (!joined) return false;
    RQ_TRY(const bool held, change_scale_dtype());
    if (!held) return false;
    if (chain_.takes_minima) {
      RQ_TRY(MinimaRounding rounded, with_minima(weight_));
      RQ_CHECK(take(Loss::kZeroRounding, {.scales = rounded.minima}, std::move(rounded.weight)));
    }
    RQ_CHECK(change_activations());
    return true;
  }

  Result<void> change_element() {
    if (!chain_.element) return {};
    if (*chain_.element == Element::kE4M3Fnuz) {
      RQ_TRY(weight_, e4m3fn_to_fnuz(weight_));
      return {};
    }
    const bool from_e5m2 = weight_.scheme.element == Element::kE5M2;
    RQ_TRY(CodeRounding rounded, from_e5m2 ? e5m2_to_e4m3fn(weight_) : fnuz_to_e4m3fn(weight_));
    return take(Loss::kCodeRounding, {.codes = rounded.codes}, std::move(rounded.weight));
  }

  Result<bool> drop_permutation() {
    if (!chain_.drops_permutation) return true;
    RQ_TRY(auto ordered, without_permutation(weight_));
    return adopt(std::move(ordered), "its inputs are permuted");
  }

  Result<bool> leave_minima() {
    if (!chain_.leaves_minima) return true;
    RQ_TRY(auto whole, without_minima(weight_, *chain_.leaves_minima));
    return adopt(std::move(whole), "a minimum is no whole number of scales");
  }

  Result<bool> drop_zeros() {
    if (!chain_.drops_zeros) return true;
    const int bits = chain_.bits.value_or(weight_.scheme.bits);
    RQ_TRY(auto folded, without_zeros(weight_, bits));
    return adopt(std::move(folded),
                 fmt::format("a code less its zero point does not fit {} bits", bits));
  }

  // False where a code needs more bits.
  bool change_bits() {
    if (!chain_.bits) return true;
    const int limit = 1 << (*chain_.bits - 1);
    const auto fits = [limit](std::int8_t code) { return code >= -limit && code < limit; };
    const bool is_narrower = *chain_.bits < weight_.scheme.bits;
    if (is_narrower && !std::ranges::all_of(weight_.codes.as<std::int8_t>(), fits)) return false;
    weight_.scheme.bits = *chain_.bits;
    return true;
  }

  Result<void> change_outer() {
    if (chain_.regroups) {
      RQ_TRY(Nvfp4Form regrouped, mxfp4_to_nvfp4(weight_, *chain_.regroups));
      RQ_CHECK(take(Loss::kScaleRounding, {regrouped.codes, regrouped.scales},
                    std::move(regrouped.weight)));
    }
    if (chain_.folds_outer) {
      RQ_TRY(ScaleRounding folded, without_outer(weight_));
      RQ_CHECK(take(Loss::kScaleRounding, {.scales = folded.scales}, std::move(folded.weight)));
    }
    if (chain_.orientation) {
      RQ_TRY(OuterTurn turned, with_outer_orientation(weight_, *chain_.orientation));
      RQ_CHECK(
          take(Loss::kScaleRounding, {.scales = turned.exact ? 0U : 1U}, std::move(turned.weight)));
    }
    if (chain_.harmony && chain_.harmony->outer) {
      RQ_TRY(ScaleRounding other, with_outer_scale(weight_, *chain_.harmony->outer));
      RQ_CHECK(take(Loss::kScaleRounding, {.scales = other.scales}, std::move(other.weight)));
    }
    return {};
  }

  Result<bool> change_grid() {
    const Grid grid = chain_.grid.value_or(weight_.scheme.grid);
    const bool is_given = chain_.harmony && chain_.harmony->scale;
    if (!chain_.grid && !is_given) return true;
    if (!is_given && is_finer(grid, weight_.scheme.grid, weight_.rows, weight_.cols)) {
      RQ_TRY(weight_, refine_grid(weight_, grid));
      return true;
    }
    if (!is_given) {
      RQ_TRY(auto joined, join_cells(weight_, grid));
      if (joined) weight_ = *std::move(joined);
      if (joined) return true;
      if (weight_.scheme.offset != Offset::kNone) return miss("scales or zero points differ");
    }
    Tensor scales;
    if (is_given) {
      RQ_TRY(scales, one_scale(weight_.scheme.scale_dtype, *chain_.harmony->scale));
    } else {
      RQ_TRY(scales, largest_scales(weight_, grid));
    }
    RQ_TRY(CodeRounding rounded, with_scales(weight_, grid, scales));
    RQ_CHECK(take(Loss::kRequantise, {.codes = rounded.codes}, std::move(rounded.weight)));
    return true;
  }

  Result<bool> change_scale_dtype() {
    if (!chain_.scale_dtype) return true;
    if (*chain_.scale_dtype == DType::kF8E8M0) {
      RQ_TRY(auto powers, with_power_of_two_scales(weight_));
      return adopt(std::move(powers), "a scale is no power of two");
    }
    RQ_TRY(ScaleRounding rounded, with_scale_dtype(weight_, *chain_.scale_dtype));
    RQ_CHECK(take(Loss::kScaleRounding, {.scales = rounded.scales}, std::move(rounded.weight)));
    return true;
  }

  Result<void> change_activations() {
    if (chain_.input_orientation) {
      RQ_TRY(OuterTurn turned, with_input_orientation(weight_, *chain_.input_orientation));
      weight_ = std::move(turned.weight);
      if (!turned.exact) {
        RQ_CHECK(record({.loss = Loss::kScaleRounding, .scales = 1, .note = "of the inputs"}));
      }
    }
    if (chain_.harmony && chain_.harmony->input_scale) {
      RQ_TRY(const Tensor scale,
             one_scale(weight_.input_scale.dtype, *chain_.harmony->input_scale));
      weight_.input_scale.bytes = scale.bytes;
      RQ_CHECK(record({.loss = Loss::kActivationsChanged, .note = "their static scale"}));
    }
    if (chain_.input_dtype) RQ_CHECK(change_input_dtype());
    if (chain_.activations) weight_ = with_activations(std::move(weight_), *chain_.activations);
    for (const Loss loss : {Loss::kActivationsChanged, Loss::kActivationsDropped}) {
      if (!chain_.losses.has(loss) || (chain_.harmony && chain_.harmony->input_scale)) continue;
      RQ_CHECK(record({.loss = loss, .note = describe(weight_.scheme.activations)}));
    }
    return {};
  }

  Result<void> change_input_dtype() {
    QuantizedWeight holder;
    holder.scales = weight_.input_scale;
    RQ_TRY(ScaleRounding rounded, with_scale_dtype(holder, *chain_.input_dtype));
    weight_.input_scale = std::move(rounded.weight.scales);
    weight_.scheme.activations.scale_dtype = *chain_.input_dtype;
    if (rounded.scales == 0) return {};
    return record({.loss = Loss::kScaleRounding, .scales = 1, .note = "of the inputs"});
  }

  struct Counts {
    std::uint64_t codes = 0;
    std::uint64_t scales = 0;
  };

  // The weight after a step that may have rounded.
  Result<void> take(Loss loss, Counts counts, QuantizedWeight after) {
    if (counts.codes + counts.scales == 0) {
      weight_ = std::move(after);
      return {};
    }
    RQ_TRY(const Difference difference, compare(weight_, after));
    weight_ = std::move(after);
    return record({.loss = loss,
                   .codes = counts.codes,
                   .scales = counts.scales,
                   .max_relative = difference.max_relative,
                   .note = {}});
  }

  Result<bool> adopt(std::optional<QuantizedWeight> after, const std::string& why) {
    if (!after) return miss(why);
    weight_ = *std::move(after);
    return true;
  }

  Result<bool> miss(const std::string& why) {
    if (!chain_.leave.has(Loss::kRequantise)) {
      return refused(fmt::format("{}: {} ({}); --allow {} gives leave", why,
                                 name_of(Loss::kRequantise), meaning_of(Loss::kRequantise),
                                 name_of(Loss::kRequantise)));
    }
    return false;
  }

  Result<void> record(LossTaken taken) {
    if (chain_.losses.has(taken.loss) || chain_.leave.has(taken.loss)) {
      losses_.push_back(std::move(taken));
      return {};
    }
    std::string what;
    if (taken.codes > 0) what += fmt::format(", {} codes", taken.codes);
    if (taken.scales > 0) what += fmt::format(", {} scales", taken.scales);
    if (!taken.note.empty()) what += " " + taken.note;
    if (taken.max_relative > 0) {
      what += fmt::format(", by at most {:.3g} of its largest value", taken.max_relative);
    }
    return refused(fmt::format("{} ({}{}); --allow {} gives leave", name_of(taken.loss),
                               meaning_of(taken.loss), what, name_of(taken.loss)));
  }

  // The values anew, where no exact step leads on. Static activations keep their scale.
  Result<void> requantise() {
    losses_.clear();
    Scheme scheme = chain_.result;
    scheme.activations = Activations::none();
    RQ_TRY(const Tensor values, values_of(source_));
    RQ_TRY(weight_, round_to_nearest(values, scheme));
    RQ_TRY(const Difference difference, compare(source_, weight_));
    RQ_CHECK(record({.loss = Loss::kRequantise,
                     .codes = difference.elements,
                     .max_relative = difference.max_relative,
                     .note = {}}));
    weight_.scheme.activations = chain_.result.activations;
    if (!chain_.activations) {
      weight_.input_scale = source_.input_scale;
      weight_.input_zero = source_.input_zero;
    }
    for (const Loss loss : {Loss::kActivationsChanged, Loss::kActivationsDropped}) {
      if (!chain_.losses.has(loss)) continue;
      RQ_CHECK(record({.loss = loss, .note = describe(chain_.result.activations)}));
    }
    return {};
  }

  const Chain& chain_;
  const QuantizedWeight& source_;
  QuantizedWeight weight_;
  std::vector<LossTaken> losses_;
};

bool changes_values(Loss loss) {
  return loss == Loss::kCodeRounding || loss == Loss::kScaleRounding ||
         loss == Loss::kZeroRounding || loss == Loss::kRequantise;
}

// A dense weight is as sound as its values, which are looked at when they are rounded.
Result<ChainResult> requantised(const Chain& chain, const QuantizedWeight& weight,
                                const RoundingInputs& inputs) {
  if (weight.scheme.is_dense()) return requantise(chain, weight, inputs);
  std::vector<std::int64_t> repaired;
  RQ_TRY(QuantizedWeight source, sound_weight(chain, weight, repaired));
  if (weight.scheme.input_multiplier) {
    RQ_TRY(source, with_multiplier_applied(source, DType::kF32));
  }
  RQ_TRY(ChainResult out, requantise(chain, source, inputs));
  out.repaired_rows = std::move(repaired);
  return out;
}

}  // namespace

Result<ChainResult> apply(const Chain& chain, const QuantizedWeight& weight,
                          const RoundingInputs& inputs) {
  if (chain.requantises) return requantised(chain, weight, inputs);
  ChainResult out;
  RQ_TRY(out.weight, sound_weight(chain, weight, out.repaired_rows));
  if (chain.applies_multiplier) {
    RQ_TRY(out.weight, with_multiplier_applied(out.weight, *chain.applies_multiplier));
    return out;
  }
  if (chain.changes_nothing()) return out;
  const QuantizedWeight source = std::move(out.weight);
  RQ_TRY(out.weight, Application(chain, source).run(out.losses));
  for (const LossTaken& taken : out.losses) {
    if (!changes_values(taken.loss)) continue;
    RQ_TRY(out.difference, compare(source, out.weight));
    break;
  }
  return out;
}

}  // namespace requant
