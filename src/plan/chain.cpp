#include "plan/chain.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "codec/transform.h"
#include "plan/requantise.h"

namespace requant {
namespace {

// Each list begins with the source's own, so that the first chain found changes least.
std::vector<Grid> grids_from(const Scheme& source) {
  std::vector<Grid> grids = {source.grid};
  if (source.offset == Offset::kMinimum || source.outer || source.permuted) return grids;
  if (source.grid.is_tensor()) grids.push_back(Grid::channel());
  if (source.grid.is_tensor() && source.element != Element::kInt) {
    grids.push_back(Grid::block(128, 128));
  }
  if (source.grid.is_tensor() || source.grid.is_channel() || source.grid.is_group()) {
    for (const std::int64_t size : {128, 64, 32}) {
      const std::int64_t own = source.grid.block_cols;
      if (own == 0 || (own > size && own % size == 0)) grids.push_back(Grid::group(size));
    }
  }
  return grids;
}

// Codes of fewer bits are codes of more.
std::vector<int> bits_from(const Scheme& source) {
  std::vector<int> bits = {source.bits};
  if (source.element != Element::kInt || source.offset == Offset::kMinimum) return bits;
  for (const int wider : {4, 8}) {
    if (wider > source.bits) bits.push_back(wider);
  }
  return bits;
}

std::vector<std::optional<OuterScale>> outers_from(const Scheme& source) {
  std::vector<std::optional<OuterScale>> outers = {source.outer};
  if (source.outer && source.outer->grid.is_tensor() && source.outer->dtype == DType::kF32) {
    OuterScale other = *source.outer;
    other.orientation = other.orientation == Orientation::kDivisor ? Orientation::kMultiplier
                                                                   : Orientation::kDivisor;
    outers.emplace_back(other);
  }
  return outers;
}

std::vector<Element> elements_from(const Scheme& source) {
  if (source.element == Element::kE5M2) return {Element::kE5M2, Element::kE4M3Fn};
  return {source.element};
}

std::vector<DType> scale_dtypes_from(const Scheme& source) {
  if (source.scale_dtype == DType::kF8E8M0) return {source.scale_dtype, DType::kF32};
  std::vector<DType> dtypes = {source.scale_dtype};
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    if (dtype != source.scale_dtype) dtypes.push_back(dtype);
  }
  const bool is_float = is_half_or_single(source.scale_dtype);
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
  if ((chain.scale_dtype && !widens) || chain.orientation) chain.losses.add(Loss::kScaleRounding);
  if (chain.result.activations == source.activations) return;
  const bool dropped = chain.result.activations.kind == ActivationKind::kNone;
  chain.losses.add(dropped ? Loss::kActivationsDropped : Loss::kActivationsChanged);
}

// `wanted` differs from the source in what the steps of a chain can change.
Chain make_chain(const Scheme& source, const Scheme& wanted) {
  const Activations own = carried(source.activations, source.element, wanted.element);
  Chain chain;
  chain.rounds_to_e4m3fn = wanted.element != source.element;
  if (wanted.bits != source.bits && !chain.rounds_to_e4m3fn) chain.bits = wanted.bits;
  if (wanted.grid != source.grid) chain.grid = wanted.grid;
  if (wanted.scale_dtype != source.scale_dtype) chain.scale_dtype = wanted.scale_dtype;
  if (wanted.outer != source.outer) chain.orientation = wanted.outer->orientation;
  if (wanted.activations != own) chain.activations = wanted.activations;
  chain.result = wanted;
  count_losses(source, chain);
  return chain;
}

// Calls visit(scheme) for every scheme that a chain can reach, until it returns true.
template <class Visit>
void for_reachable(const Scheme& source, const Visit& visit) {
  for (const Element element : elements_from(source)) {
    const Activations own = carried(source.activations, source.element, element);
    for (const Activations& activations : activations_from(own, element)) {
      for (const DType scale_dtype : scale_dtypes_from(source)) {
        for (const auto& outer : outers_from(source)) {
          for (const int bits : bits_from(source)) {
            for (const Grid& grid : grids_from(source)) {
              Scheme scheme = source;
              scheme.element = element;
              scheme.bits = bits;
              scheme.grid = grid;
              scheme.scale_dtype = scale_dtype;
              scheme.outer = outer;
              scheme.activations = activations;
              visit(scheme);
            }
          }
        }
      }
    }
  }
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

// A dense weight is as sound as its values, which are looked at when they are rounded.
Result<ChainResult> requantised(const Chain& chain, const QuantizedWeight& weight,
                                const RoundingInputs& inputs) {
  if (weight.scheme.is_dense()) return requantise(chain, weight, inputs);
  std::vector<std::int64_t> repaired;
  RQ_TRY(const QuantizedWeight sound, sound_weight(chain, weight, repaired));
  RQ_TRY(ChainResult out, requantise(chain, sound, inputs));
  out.repaired_rows = std::move(repaired);
  return out;
}

}  // namespace

std::optional<Chain> find_chain(const Scheme& source, const Target& target) {
  std::optional<Chain> best;
  for_reachable(source, [&](const Scheme& scheme) {
    if (!has_named_scheme(target, scheme) || writer_of(scheme, target) == nullptr) return;
    Chain chain = make_chain(source, scheme);
    if (!best || chain.losses < best->losses) best = std::move(chain);
  });
  return best;
}

const Codec* writer_of(const Scheme& scheme, const Target& target) {
  if (target.dialect->codec_for == nullptr) return nullptr;
  const Codec* codec = target.dialect->codec_for(scheme);
  const bool writes = codec != nullptr && codec->encode != nullptr && codec->layout != nullptr;
  return writes ? codec : nullptr;
}

Result<ChainResult> apply(const Chain& chain, const QuantizedWeight& weight,
                          const RoundingInputs& inputs) {
  ChainResult out;
  if (chain.requantises) return requantised(chain, weight, inputs);
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
  if (chain.bits) out.weight.scheme.bits = *chain.bits;
  if (chain.orientation) {
    RQ_TRY(OuterTurn turned, with_outer_orientation(out.weight, *chain.orientation));
    out.weight = std::move(turned.weight);
    if (!turned.exact) out.losses.push_back({Loss::kScaleRounding, "the outer scale"});
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
