#include "codec/transform_scales.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "codec/transform.h"
#include "tensor/float_formats.h"

namespace requant {
namespace {

std::size_t at(std::int64_t index) { return static_cast<std::size_t>(index); }

constexpr int kLargestE8M0 = 254;

// The exponent of E8M0, or nothing for what is no power of two of its range.
std::optional<std::uint8_t> e8m0_of(double value) {
  int exponent = 0;
  if (std::frexp(value, &exponent) != 0.5) return std::nullopt;
  const int biased = exponent - 1 + 127;
  if (biased < 0 || biased > kLargestE8M0) return std::nullopt;
  return static_cast<std::uint8_t>(biased);
}

}  // namespace

void store_scale(TensorBuilder& out, DType dtype, std::int64_t index, float value) {
  switch (dtype) {
    case DType::kF16:
      out.as<std::uint16_t>()[at(index)] = f32_to_f16(value);
      break;
    case DType::kBF16:
      out.as<std::uint16_t>()[at(index)] = f32_to_bf16(value);
      break;
    case DType::kF8E8M0:
      out.as<std::uint8_t>()[at(index)] = e8m0_of(static_cast<double>(value)).value_or(255);
      break;
    default:
      out.as<float>()[at(index)] = value;
      break;
  }
}

Result<Tensor> scales_times_power(const Tensor& scales, int exponent) {
  RQ_TRY(TensorBuilder out, TensorBuilder::make(scales.dtype, scales.shape));
  const std::int64_t count = scales.elements();
  for (std::int64_t i = 0; i < count; ++i) {
    const double scale = std::ldexp(element_as_double(scales, i), exponent);
    store_scale(out, scales.dtype, i, static_cast<float>(scale));
  }
  Tensor result = std::move(out).finish();
  for (std::int64_t i = 0; i < count; ++i) {
    // Powers of two are exact but at the ends of the range.
    if (element_as_double(result, i) != std::ldexp(element_as_double(scales, i), exponent)) {
      return refused(fmt::format("scale {} of {} does not take a factor of {}", i,
                                 name_of(scales.dtype), std::ldexp(1.0, exponent)));
    }
  }
  return result;
}

Result<ScaleRounding> with_scale_dtype(const QuantizedWeight& weight, DType dtype) {
  ScaleRounding rounding{.weight = weight};
  const DType own = weight.scheme.scale_dtype;
  if (!is_half_or_single(dtype) || !(is_half_or_single(own) || own == DType::kF8E8M0)) {
    return refused(fmt::format("scales of {} have no form in {}",
                               name_of(weight.scheme.scale_dtype), name_of(dtype)));
  }
  if (dtype == weight.scheme.scale_dtype) return rounding;
  RQ_TRY(TensorBuilder out, TensorBuilder::make(dtype, weight.scales.shape));
  const std::int64_t count = weight.scales.elements();
  for (std::int64_t i = 0; i < count; ++i) {
    store_scale(out, dtype, i, static_cast<float>(element_as_double(weight.scales, i)));
  }
  Tensor scales = std::move(out).finish();
  for (std::int64_t i = 0; i < count; ++i) {
    const double before = element_as_double(weight.scales, i);
    const double after = element_as_double(scales, i);
    if (std::isfinite(before) && (!std::isfinite(after) || (after == 0 && before != 0))) {
      return refused(fmt::format("scale {} is beyond {}", before, name_of(dtype)));
    }
    rounding.scales += after != before && !std::isnan(before) ? 1 : 0;
  }
  rounding.weight.scales = std::move(scales);
  rounding.weight.scheme.scale_dtype = dtype;
  return rounding;
}

Result<std::optional<QuantizedWeight>> with_power_of_two_scales(const QuantizedWeight& weight) {
  if (!is_half_or_single(weight.scheme.scale_dtype)) {
    return refused(
        fmt::format("scales of {} have no form in E8M0", name_of(weight.scheme.scale_dtype)));
  }
  std::optional<QuantizedWeight> out;
  RQ_TRY(TensorBuilder scales, TensorBuilder::make(DType::kF8E8M0, weight.scales.shape));
  for (std::int64_t i = 0; i < weight.scales.elements(); ++i) {
    const auto exponent = e8m0_of(element_as_double(weight.scales, i));
    if (!exponent) return out;
    scales.as<std::uint8_t>()[at(i)] = *exponent;
  }
  out = weight;
  out->scales = std::move(scales).finish();
  out->scheme.scale_dtype = DType::kF8E8M0;
  return out;
}

}  // namespace requant
