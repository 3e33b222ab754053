#include "plan/chain.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "codec/transform.h"

namespace requant {
namespace {

// Each list begins with the source's own, so that the first chain found changes least.
std::vector<Grid> grids_from(const Scheme& source) {
  std::vector<Grid> grids = {source.grid};
  if (source.offset != Offset::kNone || source.outer || source.permuted) return grids;
  if (source.grid.is_tensor()) grids.push_back(Grid::channel());
  if (source.grid.is_tensor() || source.grid.is_channel() || source.grid.is_group()) {
    for (const std::int64_t size : {128, 64, 32}) {
      const std::int64_t own = source.grid.block_cols;
      if (own == 0 || (own > size && own % size == 0)) grids.push_back(Grid::group(size));
    }
  }
  return grids;
}

std::vector<Element> elements_from(const Scheme& source) {
  if (source.element == Element::kE5M2) return {Element::kE5M2, Element::kE4M3Fn};
  return {source.element};
}

std::vector<DType> scale_dtypes_from(const Scheme& source) {
  std::vector<DType> dtypes = {source.scale_dtype};
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    if (dtype != source.scale_dtype) dtypes.push_back(dtype);
  }
  const bool is_float = source.scale_dtype == DType::kF32 || source.scale_dtype == DType::kF16 ||
                        source.scale_dtype == DType::kBF16;
  return is_float ? dtypes : std::vector<DType>{source.scale_dtype};
}

// The activations that the element of the codes itself calls for, and none at all.
std::vector<Activations> activations_from(const Activations& own, Element element) {
  std::vector<Activations> list = {own};
  const Activations dynamic = Activations::dynamic_token(element);
  if (own != dynamic) list.push_back(dynamic);
  if (own.kind != ActivationKind::kNone) list.push_back(Activations::none());
  return list;
}

// What becomes of the activations when codes become e4m3fn.
Activations carried(const Activations& own, Element from, Element to) {
  Activations activations = own;
  if (from != to && activations.element == from) activations.element = to;
  return activations;
}

void count_losses(const Scheme& source, Chain& chain) {
  if (chain.rounds_to_e4m3fn) chain.losses.add(Loss::kCodeRounding);
  const bool widens = chain.scale_dtype == DType::kF32 && source.scale_dtype != DType::kF32;
  if (chain.scale_dtype && !widens) chain.losses.add(Loss::kScaleRounding);
  if (chain.result.activations == source.activations) return;
  const bool dropped = chain.result.activations.kind == ActivationKind::kNone;
  chain.losses.add(dropped ? Loss::kActivationsDropped : Loss::kActivationsChanged);
}

Chain make_chain(const Scheme& source, Element element, const Grid& grid, DType scale_dtype,
                 const Activations& activations) {
  const Activations own = carried(source.activations, source.element, element);
  Chain chain;
  chain.rounds_to_e4m3fn = element != source.element;
  if (grid != source.grid) chain.grid = grid;
  if (scale_dtype != source.scale_dtype) chain.scale_dtype = scale_dtype;
  if (activations != own) chain.activations = activations;
  chain.result = source;
  chain.result.element = element;
  chain.result.grid = grid;
  chain.result.scale_dtype = scale_dtype;
  chain.result.activations = activations;
  count_losses(source, chain);
  return chain;
}

std::vector<Chain> all_chains(const Scheme& source) {
  std::vector<Chain> chains;
  for (const Element element : elements_from(source)) {
    const Activations own = carried(source.activations, source.element, element);
    for (const Activations& activations : activations_from(own, element)) {
      for (const DType scale_dtype : scale_dtypes_from(source)) {
        for (const Grid& grid : grids_from(source)) {
          chains.push_back(make_chain(source, element, grid, scale_dtype, activations));
        }
      }
    }
  }
  std::ranges::stable_sort(chains, {}, &Chain::losses);
  return chains;
}

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

}  // namespace

std::optional<Chain> find_chain(const Scheme& source, const Target& target) {
  if (target.dialect->codec_for == nullptr) return std::nullopt;
  for (Chain& chain : all_chains(source)) {
    if (!has_named_scheme(target, chain.result)) continue;
    const Codec* codec = target.dialect->codec_for(chain.result);
    if (codec != nullptr && codec->encode != nullptr && codec->layout != nullptr) {
      return std::move(chain);
    }
  }
  return std::nullopt;
}

Result<ChainResult> apply(const Chain& chain, const QuantizedWeight& weight) {
  ChainResult out;
  RQ_TRY(out.weight, sound_weight(chain, weight, out.repaired_rows));
  if (chain.rounds_to_e4m3fn) {
    RQ_TRY(CodeRounding rounded, e5m2_to_e4m3fn(out.weight));
    out.weight = std::move(rounded.weight);
    if (rounded.codes > 0) {
      out.losses.push_back(
          {Loss::kCodeRounding, fmt::format("{} codes, by at most {:.3g} of the row's largest",
                                            rounded.codes, rounded.max_relative)});
    }
    if (!chain.activations && chain.losses.has(Loss::kActivationsChanged)) {
      out.losses.push_back({Loss::kActivationsChanged, describe(out.weight.scheme.activations)});
    }
  }
  if (chain.grid) {
    RQ_TRY(out.weight, refine_grid(out.weight, *chain.grid));
  }
  if (chain.scale_dtype) {
    RQ_TRY(ScaleRounding rounded, with_scale_dtype(out.weight, *chain.scale_dtype));
    out.weight = std::move(rounded.weight);
    if (rounded.scales > 0) {
      out.losses.push_back({Loss::kScaleRounding, fmt::format("{} scales", rounded.scales)});
    }
  }
  if (chain.activations) {
    const bool dropped = chain.activations->kind == ActivationKind::kNone;
    out.weight = with_activations(std::move(out.weight), *chain.activations);
    if (chain.losses.has(Loss::kActivationsDropped) ||
        chain.losses.has(Loss::kActivationsChanged)) {
      out.losses.push_back({dropped ? Loss::kActivationsDropped : Loss::kActivationsChanged,
                            describe(*chain.activations)});
    }
  }
  return out;
}

std::string bound_of(Loss loss) {
  switch (loss) {
    // e5m2 x 2^-7 reaches below the smallest e4m3fn, 2^-9: half of that, against 448.
    case Loss::kCodeRounding:
      return "at most 2^-10 of a scale, 2.2e-06 of the largest value";
    case Loss::kScaleRounding:
      return "at most 2^-11 (F16) or 2^-8 (BF16) of each scale";
    default:
      return {};
  }
}

}  // namespace requant
