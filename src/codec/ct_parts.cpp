#include "codec/ct_parts.h"

#include <fmt/format.h>

#include "codec/parts.h"

namespace requant {

bool holds_ct_activations(const Activations& activations) {
  switch (activations.kind) {
    case ActivationKind::kNone:
    case ActivationKind::kDynamic:
      return true;
    case ActivationKind::kStatic:
      return activations.granularity == Granularity::kTensor &&
             activations.orientation == Orientation::kMultiplier;
  }
  return false;
}

Shape ct_grid_shape(const Grid& grid, std::int64_t rows, std::int64_t cols) {
  if (grid.is_tensor()) return {1};
  return {grid.rows_of(rows, cols), grid.cols_of(rows, cols)};
}

Result<Tensor> require_on_grid(const WeightParts& parts, std::string_view name, DType dtype,
                               const QuantizedWeight& w) {
  RQ_TRY(Tensor tensor, require_part(parts, name));
  const Shape full = {w.scheme.grid.rows_of(w.rows, w.cols), w.scheme.grid.cols_of(w.rows, w.cols)};
  const bool flat_ok =
      full[1] == 1 && (tensor.shape == Shape{full[0]} || (full[0] == 1 && tensor.shape.empty()));
  if (tensor.dtype != dtype || (tensor.shape != full && !flat_ok)) {
    return unexpected(name, tensor, fmt::format("{} {}", name_of(dtype), to_string(full)));
  }
  return relabel(std::move(tensor), dtype, full);
}

Result<Tensor> narrow_to_i8(std::string_view name, const Tensor& tensor, Shape shape) {
  RQ_TRY(Tensor narrow, narrow_i16(name, tensor));
  return relabel(std::move(narrow), DType::kI8, std::move(shape));
}

Result<void> check_zero_points_absent(const WeightParts& parts) {
  if (find_part(parts, "weight_zero_point") == nullptr) return {};
  RQ_TRY(const Tensor zeros, require_part(parts, "weight_zero_point"));
  if (info(zeros.dtype).bits < 8)
    return corrupt("'weight_zero_point' is " + std::string(name_of(zeros.dtype)));
  const std::int64_t count = zeros.elements();
  for (std::int64_t i = 0; i < count; ++i) {
    if (element_as_double(zeros, i) != 0) {
      return corrupt("'weight_zero_point' is not 0 though the scheme is symmetric");
    }
  }
  return {};
}

Activations ct_activations(const WeightParts& parts, const Activations& declared) {
  Activations activations = declared;
  const Tensor* scale = find_part(parts, "input_scale");
  const bool is_stored = activations.kind == ActivationKind::kStatic && scale != nullptr;
  if (is_stored && is_half_or_single(scale->dtype)) activations.scale_dtype = scale->dtype;
  return activations;
}

Result<void> decode_ct_activations(const WeightParts& parts, QuantizedWeight& out) {
  const Activations& activations = out.scheme.activations;
  if (activations.kind != ActivationKind::kStatic) return {};
  RQ_TRY(Tensor scale, require_part(parts, "input_scale"));
  if (!is_half_or_single(scale.dtype) || scale.elements() != 1) {
    return unexpected("input_scale", scale, "one F32, BF16 or F16");
  }
  const DType dtype = scale.dtype;
  out.input_scale = relabel(std::move(scale), dtype, {1});
  if (activations.symmetric) return {};
  RQ_TRY(Tensor zero, require_part(parts, "input_zero_point"));
  if (zero.dtype != DType::kI8 || zero.elements() != 1) {
    return unexpected("input_zero_point", zero, "one I8");
  }
  RQ_TRY(out.input_zero, widen_i8(relabel(std::move(zero), DType::kI8, {1})));
  return {};
}

void add_ct_activations(const Scheme& scheme, std::vector<PartSpec>& specs) {
  if (scheme.activations.kind != ActivationKind::kStatic) return;
  specs.push_back({"input_scale", scheme.activations.scale_dtype, {1}});
  if (!scheme.activations.symmetric) specs.push_back({"input_zero_point", DType::kI8, {1}});
}

Result<void> encode_ct_activations(const QuantizedWeight& weight, WeightParts& parts) {
  const Activations& activations = weight.scheme.activations;
  if (activations.kind != ActivationKind::kStatic) return {};
  const bool as_it_is = weight.input_scale.dtype == activations.scale_dtype;
  if (!as_it_is && activations.scale_dtype != DType::kF32) {
    return refused(fmt::format("the scale of the inputs is {}, not {}",
                               name_of(weight.input_scale.dtype),
                               name_of(activations.scale_dtype)));
  }
  parts["input_scale"] = weight.input_scale;
  if (!as_it_is) {
    RQ_TRY(parts["input_scale"], to_f32(weight.input_scale));  // exact
  }
  if (activations.symmetric) return {};
  RQ_TRY(parts["input_zero_point"], narrow_to_i8("input_zero_point", weight.input_zero, {1}));
  return {};
}

}  // namespace requant
