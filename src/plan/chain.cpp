#include "plan/chain.h"

#include <algorithm>
#include <functional>

#include "codec/transform.h"

namespace requant {
namespace {

using Variants = std::vector<Scheme>;

bool is_fp8(Element element) {
  return element == Element::kE4M3Fn || element == Element::kE4M3Fnuz || element == Element::kE5M2;
}

// Each list of variants begins with the scheme itself, so that the first chain found changes least.

Variants by_element(const Scheme& scheme) {
  Variants variants = {scheme};
  Scheme other = scheme;
  if (scheme.element == Element::kE5M2) {
    other.element = Element::kE4M3Fn;
    // A static scale was chosen for e5m2's range, so only dynamic activations follow.
    if (other.activations.kind == ActivationKind::kDynamic &&
        other.activations.element == Element::kE5M2) {
      other.activations.element = other.element;
    }
  } else if (scheme.element == Element::kE4M3Fn) {
    other.element = Element::kE4M3Fnuz;
  } else if (scheme.element == Element::kE4M3Fnuz) {
    other.element = Element::kE4M3Fn;
  } else {
    return variants;
  }
  variants.push_back(other);
  return variants;
}

Variants by_permutation(const Scheme& scheme) {
  Variants variants = {scheme};
  if (!scheme.permuted) return variants;
  variants.push_back(scheme);
  variants.back().permuted = false;
  return variants;
}

// Scales that minima can stand beside: floats on a plain grid, and nothing over them.
bool has_plain_scales(const Scheme& scheme) {
  return scheme.element == Element::kInt && !scheme.is_dense() && !scheme.outer &&
         !scheme.grid.flat && !scheme.permuted && is_half_or_single(scheme.scale_dtype);
}

Variants by_offset(const Scheme& scheme) {
  Variants variants = {scheme};
  if (scheme.element != Element::kInt || scheme.offset == Offset::kNone) return variants;
  const bool has_minima = scheme.offset == Offset::kMinimum;
  if (has_minima && !has_plain_scales(scheme)) return variants;
  for (const Offset offset : {Offset::kZero, Offset::kNone}) {
    if (offset == scheme.offset) continue;
    variants.push_back(scheme);
    variants.back().offset = offset;
  }
  return variants;
}

// Zero points as minima.
Variants by_minima(const Scheme& scheme) {
  Variants variants = {scheme};
  if (!has_plain_scales(scheme) || scheme.offset == Offset::kMinimum) return variants;
  variants.push_back(scheme);
  variants.back().offset = Offset::kMinimum;
  return variants;
}

Activations dynamic_group(Element element, std::int64_t group) {
  Activations activations = Activations::dynamic_token(element);
  activations.bits = element == Element::kE2M1 ? 4 : 8;
  activations.granularity = Granularity::kGroup;
  activations.group = group;
  return activations;
}

// The activations that the element of the codes itself calls for, and none at all.
Variants by_activations(const Scheme& scheme) {
  const Activations& own = scheme.activations;
  const Element element = scheme.element == Element::kE4M3Fnuz ? Element::kE4M3Fn : scheme.element;
  std::vector<Activations> list = {own};
  if (scheme.outer && own.kind == ActivationKind::kDynamic &&
      own.granularity == Granularity::kGroup) {
    list.push_back(own);
    list.back().orientation =
        own.orientation == Orientation::kDivisor ? Orientation::kMultiplier : Orientation::kDivisor;
  }
  list.push_back(Activations::dynamic_token(element));
  if (is_fp8(element)) list.push_back(dynamic_group(element, 128));
  if (is_fp8(element) || element == Element::kE2M1) list.push_back(dynamic_group(element, 32));
  list.push_back(Activations::none());
  Variants variants;
  for (const Activations& activations : list) {
    if (!variants.empty() && activations == own) continue;
    variants.push_back(scheme);
    variants.back().activations = activations;
  }
  return variants;
}

bool is_mxfp4(const Scheme& scheme) {
  return scheme.element == Element::kE2M1 && scheme.grid == Grid::group(32) &&
         scheme.scale_dtype == DType::kF8E8M0 && !scheme.outer;
}

// The outer scale turned or taken into the scales; for MXFP4, one put over them.
Variants by_outer(const Scheme& scheme) {
  Variants variants = {scheme};
  const auto with = [&](const OuterScale& outer) {
    variants.push_back(scheme);
    variants.back().outer = outer;
    return &variants.back();
  };
  // NVFP4's activations have a static scale over their groups, which nothing here can know.
  if (is_mxfp4(scheme) && scheme.activations.kind == ActivationKind::kNone) {
    for (const Orientation orientation : {Orientation::kDivisor, Orientation::kMultiplier}) {
      Scheme* regrouped = with({.orientation = orientation});
      regrouped->grid = Grid::group(16);
      regrouped->scale_dtype = DType::kF8E4M3;
    }
  }
  if (!scheme.outer) return variants;
  if (scheme.outer->grid.is_tensor() && scheme.outer->dtype == DType::kF32) {
    OuterScale other = *scheme.outer;
    other.orientation = other.orientation == Orientation::kDivisor ? Orientation::kMultiplier
                                                                   : Orientation::kDivisor;
    with(other);
  }
  if (is_half_or_single(scheme.scale_dtype) && scheme.offset != Offset::kMinimum &&
      !scheme.grid.flat && scheme.element != Element::kCodebook) {
    variants.push_back(scheme);
    variants.back().outer.reset();
    variants.back().scale_dtype = DType::kF32;
  }
  return variants;
}

Variants by_scale_dtype(const Scheme& scheme) {
  std::vector<DType> dtypes = {scheme.scale_dtype};
  const bool is_exponent = scheme.scale_dtype == DType::kF8E8M0;
  if (is_half_or_single(scheme.scale_dtype) || is_exponent) {
    for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
      if (dtype != scheme.scale_dtype) dtypes.push_back(dtype);
    }
  }
  const bool is_float = scheme.element != Element::kInt && scheme.element != Element::kCodebook;
  if (is_half_or_single(scheme.scale_dtype) && is_float && !scheme.outer) {
    dtypes.push_back(DType::kF8E8M0);
  }
  Variants variants;
  for (const DType dtype : dtypes) {
    variants.push_back(scheme);
    variants.back().scale_dtype = dtype;
  }
  return variants;
}

// Codes of fewer bits are codes of more; where they fit, codes of more are codes of fewer.
Variants by_bits(const Scheme& scheme, int fewer) {
  Variants variants = {scheme};
  if (scheme.element != Element::kInt || scheme.offset == Offset::kMinimum) return variants;
  if (fewer > 0 && fewer < scheme.bits && scheme.offset == Offset::kNone && !scheme.is_dense()) {
    variants.push_back(scheme);
    variants.back().bits = fewer;
  }
  for (const int wider : {4, 8}) {
    if (wider <= scheme.bits) continue;
    variants.push_back(scheme);
    variants.back().bits = wider;
  }
  return variants;
}

// Finer grids first, in which scales are repeated; then coarser ones.
Variants by_grid(const Scheme& scheme) {
  const Grid& own = scheme.grid;
  std::vector<Grid> grids = {own};
  const bool is_float = scheme.element != Element::kInt;
  if (!scheme.outer && !scheme.permuted && scheme.offset != Offset::kMinimum && !own.flat &&
      scheme.element != Element::kCodebook && !scheme.is_dense()) {
    grids.push_back(Grid::channel());
    for (const std::int64_t size : {128, 64, 32}) grids.push_back(Grid::group(size));
    if (is_float) {
      for (const std::int64_t size : {128, 32}) grids.push_back(Grid::block(size, size));
      grids.push_back(Grid::tensor());
    }
  }
  constexpr std::int64_t kAnySize = std::int64_t{1} << 40;
  std::stable_partition(grids.begin() + 1, grids.end(),
                        [&](const Grid& grid) { return is_finer(grid, own, kAnySize, kAnySize); });
  Variants variants;
  for (const Grid& grid : grids) {
    if (!variants.empty() && grid == own) continue;
    variants.push_back(scheme);
    variants.back().grid = grid;
  }
  return variants;
}

using Axis = std::function<Variants(const Scheme&)>;

// Every scheme that a chain can reach, the nearest first; with integers of so few bits, if not 0.
Variants reachable(const Scheme& source, int fewer_bits) {
  const Axis bits = [fewer_bits](const Scheme& scheme) { return by_bits(scheme, fewer_bits); };
  Variants schemes = {source};
  for (const Axis& axis :
       {Axis(by_element), Axis(by_permutation), Axis(by_offset), Axis(by_activations),
        Axis(by_outer), Axis(by_scale_dtype), bits, Axis(by_grid), Axis(by_minima)}) {
    Variants next;
    for (const Scheme& scheme : schemes) std::ranges::copy(axis(scheme), std::back_inserter(next));
    schemes = std::move(next);
  }
  return schemes;
}

// Every value of one is a value of the other.
bool is_wider(DType to, DType from) {
  if (from == DType::kF8E8M0) return to == DType::kF32 || to == DType::kBF16;
  return to == DType::kF32;
}

bool always_fits(const Grid& to, const Grid& from) {
  constexpr std::int64_t kAnySize = std::int64_t{1} << 40;
  return is_finer(to, from, kAnySize, kAnySize);
}

void count_losses(const Scheme& source, Chain& chain) {
  const Scheme& result = chain.result;
  if (chain.element == Element::kE4M3Fn) {
    const bool certain = source.element == Element::kE5M2;
    (certain ? chain.losses : chain.possible).add(Loss::kCodeRounding);
  }
  const bool exact_only = chain.drops_permutation || chain.leaves_minima.has_value() ||
                          (chain.drops_zeros && result.bits == source.bits) ||
                          (chain.grid && !always_fits(*chain.grid, source.grid)) ||
                          chain.scale_dtype == DType::kF8E8M0 ||
                          (chain.bits && *chain.bits < source.bits);
  if (exact_only) chain.possible.add(Loss::kRequantise);
  const DType before = chain.folds_outer ? DType::kF32 : source.scale_dtype;
  const bool rounds = chain.scale_dtype && chain.scale_dtype != DType::kF8E8M0 &&
                      !is_wider(*chain.scale_dtype, before);
  const bool rounds_inputs =
      chain.input_dtype && !is_wider(*chain.input_dtype, source.activations.scale_dtype);
  if (rounds || rounds_inputs || chain.regroups || chain.folds_outer || chain.orientation ||
      chain.input_orientation) {
    chain.possible.add(Loss::kScaleRounding);
  }
  // Without zero points the minimum is a power of two times the scale; the product with one has the
  // bits of both, which F32 holds for scales of 16 bits.
  const bool has_zeros = source.offset == Offset::kZero || chain.leaves_minima == Offset::kZero;
  const bool has_room = result.scale_dtype == DType::kF32 && source.scale_dtype != DType::kF32;
  if (chain.takes_minima && has_zeros && !has_room) chain.possible.add(Loss::kZeroRounding);
  Activations turned = source.activations;
  turned.orientation = result.activations.orientation;
  if (result.activations == turned) return;
  const bool dropped = result.activations.kind == ActivationKind::kNone;
  chain.losses.add(dropped ? Loss::kActivationsDropped : Loss::kActivationsChanged);
}

// What becomes of the activations when codes become others.
Activations carried(const Activations& own, Element from, Element to) {
  Activations activations = own;
  const bool follows = from == Element::kE5M2 && to == Element::kE4M3Fn &&
                       own.kind == ActivationKind::kDynamic && own.element == from;
  if (follows) activations.element = to;
  return activations;
}

// Grids, scales and bits change while there are zero points.
void set_offset_steps(const Scheme& source, const Scheme& wanted, Chain& chain) {
  const bool had = source.offset == Offset::kMinimum;
  const bool has = wanted.offset == Offset::kMinimum;
  const bool stays = had && has && source.grid == wanted.grid && source.bits == wanted.bits &&
                     source.scale_dtype == wanted.scale_dtype;
  chain.takes_minima = has && !stays;
  if (had && !stays) chain.leaves_minima = has ? Offset::kZero : wanted.offset;
  chain.drops_zeros = source.offset == Offset::kZero && wanted.offset == Offset::kNone;
}

// The bits that were asked for by name.
int named_bits(const Target& target) {
  const bool names_integers =
      target.request && !target.keeps_bits && target.request->scheme.element == Element::kInt;
  return names_integers ? target.request->scheme.bits : 0;
}

// A scheme that names the dtype of its scales means the one of static activations too.
DType input_dtype_of(const Scheme& scheme, const Target& target) {
  const bool names_it = target.request && target.request->fixes_scales;
  return names_it ? scheme.scale_dtype : scheme.activations.scale_dtype;
}

// `wanted` is one of reachable(source).
Chain make_chain(const Scheme& source, const Scheme& wanted) {
  Chain chain;
  chain.result = wanted;
  if (wanted.element != source.element) chain.element = wanted.element;
  chain.drops_permutation = source.permuted && !wanted.permuted;
  set_offset_steps(source, wanted, chain);
  if (wanted.bits != source.bits && wanted.element == Element::kInt) chain.bits = wanted.bits;
  if (wanted.outer && !source.outer) chain.regroups = wanted.outer->orientation;
  chain.folds_outer = source.outer && !wanted.outer;
  if (source.outer && wanted.outer && wanted.outer != source.outer) {
    chain.orientation = wanted.outer->orientation;
  }
  if (wanted.grid != source.grid && !chain.regroups) chain.grid = wanted.grid;
  const DType before = chain.folds_outer ? DType::kF32 : source.scale_dtype;
  if (wanted.scale_dtype != before && !chain.regroups) chain.scale_dtype = wanted.scale_dtype;
  Activations own = carried(source.activations, source.element, wanted.element);
  if (own.orientation != wanted.activations.orientation &&
      wanted.activations.kind != ActivationKind::kNone) {
    own.orientation = wanted.activations.orientation;
    if (own == wanted.activations) chain.input_orientation = own.orientation;
  }
  if (wanted.activations != own) chain.activations = wanted.activations;
  const DType input_dtype = wanted.activations.scale_dtype;
  if (wanted.activations.kind == ActivationKind::kStatic &&
      input_dtype != source.activations.scale_dtype) {
    chain.input_dtype = input_dtype;
  }
  count_losses(source, chain);
  return chain;
}

bool divides(const Scheme& scheme, const Scheme& source, std::int64_t cols) {
  return cols == 0 || scheme.grid == source.grid || !scheme.grid.is_group() ||
         cols % scheme.grid.block_cols == 0;
}

// Weights that keep their values come first. What may come counts as what will; where that is the
// same, what will come decides.
bool is_lighter(const Chain& a, const Chain& b) {
  const LossSet worst_a = LossSet(a.losses).add(a.possible);
  const LossSet worst_b = LossSet(b.losses).add(b.possible);
  const bool a_keeps = !worst_a.has(Loss::kRequantise);
  if (a_keeps == worst_b.has(Loss::kRequantise)) return a_keeps;
  return worst_a != worst_b ? worst_a < worst_b : a.losses < b.losses;
}

}  // namespace

bool Chain::changes_nothing() const {
  return !applies_multiplier && !element && !drops_permutation && !leaves_minima && !takes_minima &&
         !drops_zeros && !bits && !regroups && !folds_outer && !orientation && !input_orientation &&
         !harmony && !grid && !scale_dtype && !input_dtype && !activations && !requantises;
}

std::optional<Chain> find_chain(const Scheme& source, const Target& target, std::int64_t cols) {
  std::optional<Chain> best;
  for (Scheme& scheme : reachable(source, named_bits(target))) {
    scheme.activations.scale_dtype = input_dtype_of(scheme, target);
    if (!divides(scheme, source, cols) || !has_named_scheme(target, scheme) ||
        writer_of(scheme, target) == nullptr) {
      continue;
    }
    Chain chain = make_chain(source, scheme);
    if (!best || is_lighter(chain, *best)) best = std::move(chain);
  }
  return best;
}

const Codec* writer_of(const Scheme& scheme, const Target& target) {
  const Codec* codec = target.codec_for(scheme);
  const bool writes = codec != nullptr && codec->encode != nullptr && codec->layout != nullptr;
  return writes ? codec : nullptr;
}

std::string bound_of(Loss loss) {
  switch (loss) {
    // Codes of e5m2 x 2^-7 and of e4m3fnuz reach below the smallest e4m3fn, 2^-9: half of that.
    case Loss::kCodeRounding:
      return "at most 2^-10 of a scale";
    case Loss::kScaleRounding:
      return "at most 2^-24 of a scale in F32, 2^-11 in F16, 2^-8 in BF16, 2^-4 in F8_E4M3";
    default:
      return {};
  }
}

}  // namespace requant
