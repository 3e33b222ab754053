#include "codec/transform.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "codec/transform_scales.h"
#include "kernel/scan_fp8.h"
#include "quant/plain_rows.h"
#include "tensor/float_formats.h"

namespace requant {
namespace {

std::size_t at(std::int64_t index) { return static_cast<std::size_t>(index); }

std::span<const std::uint8_t> codes_of_row(const QuantizedWeight& w, std::int64_t row) {
  return w.codes.as<std::uint8_t>().subspan(at(row * w.cols), at(w.cols));
}

bool is_fp8_with_specials(Element element) {
  return element == Element::kE4M3Fn || element == Element::kE5M2;
}

// NaN and infinite codes among `codes`.
std::size_t specials(Element element, std::span<const std::uint8_t> codes) {
  if (is_fp8_with_specials(element)) {
    return kernel::scan_fp8({codes.data(), codes.size(), element == Element::kE5M2});
  }
  if (element != Element::kE4M3Fnuz && element != Element::kE5M2Fnuz) return 0;
  return static_cast<std::size_t>(std::ranges::count(codes, std::uint8_t{0x80}));
}

Error special_code(std::int64_t row) {
  return refused(fmt::format("row {} has a code that is NaN or infinite", row));
}

// Under scale 0: codes that are 0 or, from 0 / 0, NaN.
bool is_blank(const QuantizedWeight& w, std::int64_t row) {
  const std::uint8_t magnitude = w.scheme.element == Element::kInt ? 0xFF : 0x7F;
  return std::ranges::all_of(codes_of_row(w, row), [&](std::uint8_t code) {
    if ((code & magnitude) == 0) return true;
    if (w.scheme.element == Element::kE4M3Fn) return is_nan_e4m3fn(code);
    return w.scheme.element == Element::kE5M2 && is_nan_e5m2(code);
  });
}

// Whether the row is to be repaired, or why it cannot be.
Result<bool> needs_repair(const QuantizedWeight& w, std::int64_t row, bool any_special) {
  const double scale = element_as_double(w.scales, row);
  if (!std::isfinite(scale) || scale < 0) {
    return refused(fmt::format("row {} has scale {}", row, scale));
  }
  if (scale != 0) {
    if (any_special && specials(w.scheme.element, codes_of_row(w, row)) != 0) {
      return special_code(row);
    }
    return false;
  }
  if (!is_blank(w, row)) return refused(fmt::format("row {} has scale 0 but not codes 0", row));
  return true;
}

Result<TensorBuilder> copy_of(const Tensor& tensor) {
  RQ_TRY(TensorBuilder copy, TensorBuilder::make(tensor.dtype, tensor.shape));
  std::memcpy(copy.bytes().data(), tensor.bytes.data(), tensor.bytes.size());
  return copy;
}

Result<void> check_outer_scales(const QuantizedWeight& weight) {
  if (!weight.scheme.outer) return {};
  const bool divides = weight.scheme.outer->orientation == Orientation::kDivisor;
  const std::int64_t count = weight.outer_scales.elements();
  for (std::int64_t i = 0; i < count; ++i) {
    const double scale = element_as_double(weight.outer_scales, i);
    if (std::isfinite(scale) && !(divides && scale == 0)) continue;
    return refused(fmt::format("scale {} of the scales is {}", i, scale));
  }
  return {};
}

}  // namespace

Result<ZeroRowRepair> repair_zero_rows(const QuantizedWeight& weight) {
  const Scheme& scheme = weight.scheme;
  if (!scheme.grid.is_channel() || !is_half_or_single(scheme.scale_dtype) || scheme.outer ||
      scheme.element == Element::kCodebook || scheme.offset != Offset::kNone) {
    return refused("zero rows can be repaired in schemes of one float scale a channel only");
  }
  const bool any_special = specials(scheme.element, weight.codes.as<std::uint8_t>()) != 0;
  ZeroRowRepair repair{weight, {}};
  for (std::int64_t row = 0; row < weight.rows; ++row) {
    RQ_TRY(const bool needed, needs_repair(weight, row, any_special));
    if (needed) repair.rows.push_back(row);
  }
  if (repair.rows.empty()) return repair;

  RQ_TRY(TensorBuilder codes, copy_of(weight.codes));
  RQ_TRY(TensorBuilder scales, copy_of(weight.scales));
  for (const std::int64_t row : repair.rows) {
    std::ranges::fill(codes.bytes().subspan(at(row * weight.cols), at(weight.cols)), std::byte{0});
    store_scale(scales, scheme.scale_dtype, row, 1);
  }
  repair.weight.codes = std::move(codes).finish();
  repair.weight.scales = std::move(scales).finish();
  return repair;
}

Result<void> check_sound(const QuantizedWeight& weight) {
  if (weight.scheme.is_dense() && PlainRows::can_read(weight)) return {};  // finite, at once
  const Grid& grid = weight.scheme.grid;
  const std::int64_t per_row = grid.cols_of(weight.rows, weight.cols);
  const std::int64_t count = weight.scales.elements();
  // Codes of floats have a sign of their own; integers lie under negative scales, too.
  const bool no_sign = info(weight.scheme.element).bits != 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const double scale = element_as_double(weight.scales, i);
    if (!std::isfinite(scale) || (no_sign && scale < 0)) {
      return refused(fmt::format("scale [{}, {}] is {}", i / per_row, i % per_row, scale));
    }
  }
  RQ_CHECK(check_outer_scales(weight));
  if (specials(weight.scheme.element, weight.codes.as<std::uint8_t>()) == 0) return {};
  for (std::int64_t row = 0; row < weight.rows; ++row) {
    if (specials(weight.scheme.element, codes_of_row(weight, row)) != 0) return special_code(row);
  }
  return {};
}

QuantizedWeight with_activations(QuantizedWeight weight, const Activations& activations) {
  weight.scheme.activations = activations;
  weight.input_scale = {};
  weight.input_zero = {};
  return weight;
}

}  // namespace requant
