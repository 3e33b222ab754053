#include <fmt/format.h>

#include <initializer_list>

#include "base/text.h"
#include "quant/quantized_weight.h"

namespace requant {
namespace {

using DTypes = std::initializer_list<DType>;

constexpr DTypes kFloats = {DType::kF32, DType::kF16, DType::kBF16, DType::kF8E8M0, DType::kF8E4M3};
constexpr DTypes kFloatsAndInts = {DType::kF32,    DType::kF16, DType::kBF16, DType::kF8E8M0,
                                   DType::kF8E4M3, DType::kI8,  DType::kU8};

bool one_of(DType dtype, DTypes allowed) {
  for (const DType candidate : allowed) {
    if (candidate == dtype) return true;
  }
  return false;
}

Result<void> check_empty(std::string_view name, const Tensor& tensor) {
  if (tensor.empty()) return {};
  return corrupt(fmt::format("{} is there though the scheme has none", in_quotes(name)));
}

Result<void> check_tensor(std::string_view name, const Tensor& tensor, DType dtype,
                          const Shape& shape) {
  if (tensor.dtype != dtype || tensor.shape != shape) {
    return corrupt(fmt::format("{} is {} {}, expected {} {}", in_quotes(name),
                               name_of(tensor.dtype), to_string(tensor.shape), name_of(dtype),
                               to_string(shape)));
  }
  const auto elements = element_count(shape);
  const auto size = elements ? byte_size(dtype, *elements) : std::nullopt;
  if (!size || *size != tensor.bytes.size()) {
    return corrupt(fmt::format("{} has {} bytes, {} {} needs {}", in_quotes(name),
                               tensor.bytes.size(), name_of(dtype), to_string(shape),
                               size.value_or(0)));
  }
  return {};
}

// The same where any of several dtypes will do.
Result<void> check_tensor(std::string_view name, const Tensor& tensor, DTypes allowed,
                          const Shape& shape) {
  if (!one_of(tensor.dtype, allowed)) {
    return corrupt(fmt::format("{} is {}", in_quotes(name), name_of(tensor.dtype)));
  }
  return check_tensor(name, tensor, tensor.dtype, shape);
}

Shape grid_shape(const Grid& grid, const QuantizedWeight& w) {
  return {grid.rows_of(w.rows, w.cols), grid.cols_of(w.rows, w.cols)};
}

Result<void> check_grid(const Grid& grid) {
  if (grid.block_rows < 0 || grid.block_cols < 0) return corrupt("a grid of negative blocks");
  return {};
}

Result<void> check_bits(const Scheme& scheme) {
  const int fixed = info(scheme.element).bits;
  const bool fits =
      fixed != 0 ? scheme.bits == fixed
                 : scheme.bits >= 1 && scheme.bits <= (scheme.element == Element::kInt ? 8 : 16);
  if (fits) return {};
  return corrupt(fmt::format("{} codes of {} bits", name_of(scheme.element), scheme.bits));
}

// A coarse block is whole fine blocks: then all elements of a cell share one outer scale.
bool covers(std::int64_t coarse, std::int64_t fine) {
  return coarse == 0 || (fine > 0 && coarse % fine == 0);
}

Result<void> check_outer_grid(const Scheme& scheme) {
  const Grid& inner = scheme.grid;
  const Grid& outer = scheme.outer->grid;
  RQ_CHECK(check_grid(outer));
  const bool nested = outer.is_tensor() ||
                      (inner.flat == outer.flat && covers(outer.block_cols, inner.block_cols) &&
                       (inner.flat || covers(outer.block_rows, inner.block_rows)));
  if (!nested) {
    return corrupt(fmt::format("scales per {} do not fit into outer scales per {}", describe(inner),
                               describe(outer)));
  }
  if (scheme.permuted && outer.block_cols != 0) return corrupt("permuted inputs with outer groups");
  if (scheme.offset == Offset::kMinimum && scheme.outer->orientation == Orientation::kDivisor) {
    return corrupt("minima with an outer scale that divides");
  }
  return {};
}

Result<void> check_codes(const QuantizedWeight& w) {
  const Scheme& scheme = w.scheme;
  if (scheme.element != Element::kCodebook) {
    RQ_CHECK(check_empty("codebook", w.codebook));
    const bool is_signed = scheme.element == Element::kInt && scheme.offset != Offset::kMinimum;
    return check_tensor("codes", w.codes, is_signed ? DType::kI8 : DType::kU8, {w.rows, w.cols});
  }
  const Shape& shape = w.codebook.shape;
  if (w.codebook.empty() || shape.empty() || shape.size() > 2) return corrupt("no codebook");
  RQ_CHECK(check_tensor("codebook", w.codebook, DType::kF32, shape));
  const std::int64_t length = shape.size() == 2 ? shape[1] : 1;
  if (w.cols % length != 0) {
    return corrupt(fmt::format("{} inputs with codes for {} each", w.cols, length));
  }
  return check_tensor("codes", w.codes, {DType::kU8, DType::kU16}, {w.rows, w.cols / length});
}

Result<void> check_outer(const QuantizedWeight& w) {
  if (!w.scheme.outer) {
    RQ_CHECK(check_empty("outer_minima", w.outer_minima));
    return check_empty("outer_scales", w.outer_scales);
  }
  RQ_CHECK(check_outer_grid(w.scheme));
  const Shape shape = grid_shape(w.scheme.outer->grid, w);
  if (!one_of(w.scheme.outer->dtype, kFloats)) {
    return corrupt(fmt::format("outer scales of {}", name_of(w.scheme.outer->dtype)));
  }
  RQ_CHECK(check_tensor("outer_scales", w.outer_scales, w.scheme.outer->dtype, shape));
  if (w.scheme.offset != Offset::kMinimum || w.outer_minima.empty()) {
    return check_empty("outer_minima", w.outer_minima);
  }
  return check_tensor("outer_minima", w.outer_minima, kFloats, shape);
}

Result<void> check_scales(const QuantizedWeight& w) {
  const Scheme& scheme = w.scheme;
  RQ_CHECK(check_grid(scheme.grid));
  const Shape shape = grid_shape(scheme.grid, w);
  if (w.scale_codebook.empty()) {
    if (!one_of(scheme.scale_dtype, scheme.outer ? kFloatsAndInts : kFloats)) {
      return corrupt(fmt::format("scales of {}", name_of(scheme.scale_dtype)));
    }
    RQ_CHECK(check_empty("scale_offset", w.scale_offset));
    return check_tensor("scales", w.scales, scheme.scale_dtype, shape);
  }
  if (!scheme.outer || scheme.outer->orientation != Orientation::kMultiplier ||
      scheme.offset != Offset::kNone || scheme.scale_dtype != DType::kU8) {
    return corrupt("a scale codebook needs U8 scales, an outer factor, and no offset");
  }
  RQ_CHECK(check_tensor("scale_codebook", w.scale_codebook, DType::kF32, w.scale_codebook.shape));
  if (!w.scale_offset.empty()) {
    RQ_CHECK(check_tensor("scale_offset", w.scale_offset, DType::kF32, {1}));
  }
  return check_tensor("scales", w.scales, DType::kU8, shape);
}

Result<void> check_offsets(const QuantizedWeight& w) {
  const Shape shape = grid_shape(w.scheme.grid, w);
  if (w.scheme.offset == Offset::kZero) {
    RQ_CHECK(check_tensor("zeros", w.zeros, DType::kI16, shape));
  } else {
    RQ_CHECK(check_empty("zeros", w.zeros));
  }
  if (w.scheme.offset == Offset::kMinimum) {
    return check_tensor("minima", w.minima, kFloatsAndInts, shape);
  }
  return check_empty("minima", w.minima);
}

Result<void> check_inputs(const QuantizedWeight& w) {
  if (w.scheme.permuted) {
    if (w.scheme.grid.flat) return corrupt("permuted inputs with a flat grid");
    RQ_CHECK(check_tensor("permutation", w.permutation, DType::kI32, {w.cols}));
  } else {
    RQ_CHECK(check_empty("permutation", w.permutation));
  }
  if (!w.scheme.input_multiplier) return check_empty("input_multiplier", w.input_multiplier);
  if (!one_of(w.scheme.multiplier_dtype, kFloats)) {
    return corrupt(fmt::format("an input multiplier of {}", name_of(w.scheme.multiplier_dtype)));
  }
  return check_tensor("input_multiplier", w.input_multiplier, w.scheme.multiplier_dtype, {w.cols});
}

Result<void> check_activations(const QuantizedWeight& w) {
  const Activations& activations = w.scheme.activations;
  const bool is_static = activations.kind == ActivationKind::kStatic;
  // NVFP4: dynamic within groups, under a static scale of the whole tensor.
  const bool local = activations.kind == ActivationKind::kDynamic &&
                     activations.granularity == Granularity::kGroup;
  if (is_static || (local && !w.input_scale.empty())) {
    RQ_CHECK(check_tensor("input_scale", w.input_scale, kFloats, {1}));
  } else {
    RQ_CHECK(check_empty("input_scale", w.input_scale));
  }
  if (is_static && !activations.symmetric) {
    return check_tensor("input_zero", w.input_zero, DType::kI16, {1});
  }
  return check_empty("input_zero", w.input_zero);
}

}  // namespace

Result<void> validate(const QuantizedWeight& weight) {
  if (weight.rows < 1 || weight.cols < 1) {
    return corrupt(fmt::format("a weight of {} x {}", weight.rows, weight.cols));
  }
  RQ_CHECK(check_bits(weight.scheme));
  RQ_CHECK(check_codes(weight));
  RQ_CHECK(check_scales(weight));
  RQ_CHECK(check_offsets(weight));
  RQ_CHECK(check_outer(weight));
  RQ_CHECK(check_inputs(weight));
  return check_activations(weight);
}

}  // namespace requant
