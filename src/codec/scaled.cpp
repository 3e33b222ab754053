#include "codec/scaled.h"

#include <fmt/format.h>

#include <algorithm>

#include "codec/grid_shape.h"
#include "codec/parts.h"

namespace requant {
namespace {

bool is_scale_dtype(DType dtype) { return is_half_or_single(dtype) || dtype == DType::kF8E8M0; }

// E8M0 is also stored as U8: a number of steps of two, never an integer scale.
DType scale_dtype_of(DType stored) { return stored == DType::kU8 ? DType::kF8E8M0 : stored; }

Shape without_ones(const Shape& shape) {
  Shape out;
  std::ranges::copy_if(shape, std::back_inserter(out), [](std::int64_t size) { return size != 1; });
  return out;
}

Error not_held(const ScaledLayout& layout, const Scheme& scheme) {
  return refused(fmt::format("{} does not hold {}", layout.codec, describe(scheme)));
}

bool holds(const ScaledLayout& layout, const Scheme& scheme) {
  const bool is_static = scheme.activations.kind == ActivationKind::kStatic;
  return holds_scaled(scheme) && (layout.multiplier.empty() ? !scheme.input_multiplier : true) &&
         (!is_static || !layout.input_scale.empty()) && layout.holds(scheme);
}

DType weight_dtype(Element element) { return dtype_of(element).value_or(DType::kI8); }

// [m, 1, n, 1] -> [m, n].
std::optional<Shape> plain_shape(const Shape& shape) {
  if (shape.size() <= 2) return shape;
  if (shape.size() == 4 && shape[1] == 1 && shape[3] == 1) return Shape{shape[0], shape[2]};
  return std::nullopt;
}

Shape shape_of_one(const ScaledLayout& layout) { return layout.one_is_1d ? Shape{1} : Shape{}; }

Shape stored_shape(const ScaledLayout& layout, const Grid& grid, std::int64_t rows,
                   std::int64_t cols) {
  if (grid.is_tensor()) return shape_of_one(layout);
  if (grid.is_channel() && !layout.column) return {rows};
  const std::int64_t m = grid.rows_of(rows, cols);
  const std::int64_t n = grid.cols_of(rows, cols);
  const bool spaced = layout.spaced_blocks && grid.block_rows > 1;
  return spaced ? Shape{m, 1, n, 1} : Shape{m, n};
}

void read_activations(const ScaledLayout& layout, const WeightParts& parts, const Scheme& declared,
                      Scheme& scheme) {
  scheme.activations = declared.activations;
  if (!layout.input_scale.empty() && find_part(parts, layout.input_scale) != nullptr) {
    if (declared.activations.kind == ActivationKind::kStatic) return;
    scheme.activations = Activations::static_tensor(scheme.element);
  } else if (declared.activations.kind == ActivationKind::kStatic) {
    scheme.activations = Activations::none();
  }
}

}  // namespace

bool holds_scaled(const Scheme& s) {
  const bool is_code = s.element == Element::kInt ? s.bits == 8 : dtype_of(s.element).has_value();
  const bool is_static = s.activations.kind == ActivationKind::kStatic;
  return is_code && s.offset == Offset::kNone && !s.grid.flat && !s.is_dense() &&
         is_scale_dtype(s.scale_dtype) && !s.outer && !s.permuted && s.rotation.empty() &&
         (!is_static ||
          (s.activations.granularity == Granularity::kTensor && s.activations.symmetric &&
           s.activations.orientation == Orientation::kMultiplier));
}

std::optional<Scheme> scaled_scheme_of(const ScaledLayout& layout, const WeightParts& parts,
                                       const Scheme& declared) {
  const Tensor* weight = find_part(parts, "weight");
  const Tensor* scale = find_part(parts, layout.scale);
  if (weight == nullptr || scale == nullptr || weight->shape.size() != 2) return std::nullopt;
  const auto element =
      weight->dtype == DType::kI8 ? std::optional(Element::kInt) : element_of(weight->dtype);
  const auto shape = plain_shape(scale->shape);
  if (!element || !shape) return std::nullopt;
  const auto grid = grid_of_shape(*shape, weight->shape[0], weight->shape[1], declared.grid);
  if (!grid) return std::nullopt;
  if (!layout.column && grid->is_channel() && shape->size() == 2) return std::nullopt;

  Scheme scheme;
  scheme.element = *element;
  scheme.grid = *grid;
  scheme.scale_dtype = scale_dtype_of(scale->dtype);
  read_activations(layout, parts, declared, scheme);
  if (!layout.multiplier.empty()) {
    const Tensor* multiplier = find_part(parts, layout.multiplier);
    scheme.input_multiplier = multiplier != nullptr;
    if (multiplier != nullptr) scheme.multiplier_dtype = multiplier->dtype;
  }
  return holds(layout, scheme) ? std::optional(scheme) : std::nullopt;
}

Result<Tensor> require_shaped(const WeightParts& parts, std::string_view name, DType dtype,
                              Shape shape) {
  RQ_TRY(Tensor tensor, require_part(parts, name));
  const bool is_e8m0 = dtype == DType::kF8E8M0 && tensor.dtype == DType::kU8;
  if ((tensor.dtype != dtype && !is_e8m0) || without_ones(tensor.shape) != without_ones(shape)) {
    return unexpected(name, tensor, fmt::format("{} {}", name_of(dtype), to_string(shape)));
  }
  return relabel(std::move(tensor), dtype, std::move(shape));
}

Result<Tensor> require_input_scale(const WeightParts& parts, std::string_view name) {
  RQ_TRY(Tensor scale, require_part(parts, name));
  const DType dtype = scale.dtype;
  if (!is_half_or_single(dtype) || scale.elements() != 1) {
    return unexpected(name, scale, "one F32, BF16 or F16");
  }
  return relabel(std::move(scale), dtype, {1});
}

Result<QuantizedWeight> decode_scaled(const ScaledLayout& layout, const WeightParts& parts,
                                      const Scheme& scheme) {
  if (!holds(layout, scheme)) return not_held(layout, scheme);
  RQ_TRY(const Tensor weight, require_part(parts, "weight"));
  const DType dtype = weight_dtype(scheme.element);
  if (weight.dtype != dtype || weight.shape.size() != 2 || weight.bytes.empty()) {
    return unexpected("weight", weight, fmt::format("{} [out, in]", name_of(dtype)));
  }
  QuantizedWeight out;
  out.scheme = scheme;
  out.rows = weight.shape[0];
  out.cols = weight.shape[1];
  const bool is_int = scheme.element == Element::kInt;
  out.codes = relabel(weight, is_int ? DType::kI8 : DType::kU8, weight.shape);
  const Shape grid = {scheme.grid.rows_of(out.rows, out.cols),
                      scheme.grid.cols_of(out.rows, out.cols)};
  RQ_TRY(out.scales, require_shaped(parts, layout.scale, scheme.scale_dtype, grid));
  if (scheme.activations.kind == ActivationKind::kStatic) {
    RQ_TRY(out.input_scale, require_input_scale(parts, layout.input_scale));
  }
  if (scheme.input_multiplier) {
    RQ_TRY(out.input_multiplier,
           require_part(parts, layout.multiplier, scheme.multiplier_dtype, {out.cols}));
  }
  RQ_CHECK(validate(out));
  return out;
}

Result<std::vector<PartSpec>> scaled_specs(const ScaledLayout& layout, const Scheme& scheme,
                                           std::int64_t rows, std::int64_t cols) {
  if (!holds(layout, scheme)) return not_held(layout, scheme);
  std::vector<PartSpec> specs = {{"weight", weight_dtype(scheme.element), {rows, cols}},
                                 {std::string(layout.scale), scheme.scale_dtype,
                                  stored_shape(layout, scheme.grid, rows, cols)}};
  if (scheme.activations.kind == ActivationKind::kStatic) {
    specs.push_back({std::string(layout.input_scale), DType::kF32, shape_of_one(layout)});
  }
  if (scheme.input_multiplier) {
    specs.push_back({std::string(layout.multiplier), scheme.multiplier_dtype, {cols}});
  }
  return specs;
}

Result<WeightParts> encode_scaled(const ScaledLayout& layout, const QuantizedWeight& weight) {
  RQ_CHECK(validate(weight));
  const Scheme& scheme = weight.scheme;
  const bool is_static = scheme.activations.kind == ActivationKind::kStatic;
  if (!holds(layout, scheme) || is_static == weight.input_scale.empty()) {
    return not_held(layout, scheme);
  }
  WeightParts parts;
  parts["weight"] = relabel(weight.codes, weight_dtype(scheme.element), weight.codes.shape);
  parts[std::string(layout.scale)] =
      relabel(weight.scales, scheme.scale_dtype,
              stored_shape(layout, scheme.grid, weight.rows, weight.cols));
  if (is_static) {
    // Exact: every scale dtype is narrower than F32.
    RQ_TRY(const Tensor scale, to_f32(weight.input_scale));
    parts[std::string(layout.input_scale)] = relabel(scale, DType::kF32, shape_of_one(layout));
  }
  if (scheme.input_multiplier) {
    parts[std::string(layout.multiplier)] = weight.input_multiplier;
  }
  return parts;
}

}  // namespace requant
