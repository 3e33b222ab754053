#include "quant/plain_rows.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "tensor/float_formats.h"

namespace requant {
namespace {

// Whether none of the floats has all bits of the exponent: the lowest of these added, those carry
// into the sign. A loop without a way out is one that compilers turn into vector code.
template <class Bits>
bool all_below(std::span<const Bits> numbers, Bits exponent) {
  const auto lowest = static_cast<Bits>(exponent & (~exponent + 1));
  Bits seen = 0;
  for (const Bits bits : numbers) seen |= static_cast<Bits>((bits & exponent) + lowest);
  return (seen >> (8 * sizeof(Bits) - 1)) == 0;
}

bool is_finite(const Tensor& numbers) {
  switch (numbers.dtype) {
    case DType::kF32:
      return all_below(numbers.as<std::uint32_t>(), std::uint32_t{0x7F800000});
    case DType::kBF16:
      return all_below(numbers.as<std::uint16_t>(), std::uint16_t{0x7F80});
    case DType::kF16:
      return all_below(numbers.as<std::uint16_t>(), std::uint16_t{0x7C00});
    default:
      return false;
  }
}

bool is_f16(const Tensor& numbers) { return numbers.dtype == DType::kF16 && is_finite(numbers); }

// Whole numbers of a byte.
bool is_small(const Tensor& codebook) {
  if (codebook.dtype != DType::kF32 || codebook.shape.size() != 1) return false;
  for (const float value : codebook.as<float>()) {
    if (!(std::fabs(value) <= 128) || value != std::floor(value)) return false;
  }
  return codebook.elements() <= 256;
}

bool has_plain_codes(const QuantizedWeight& weight) {
  const Scheme& scheme = weight.scheme;
  if (scheme.element == Element::kInt) return true;
  if (scheme.element != Element::kCodebook || weight.codes.dtype != DType::kU8 ||
      !is_small(weight.codebook)) {
    return false;
  }
  std::uint8_t most = 0;
  for (const std::uint8_t code : weight.codes.as<std::uint8_t>()) most = std::max(most, code);
  return most < weight.codebook.elements();
}

bool has_plain_scales(const QuantizedWeight& weight) {
  const Scheme& scheme = weight.scheme;
  const bool has_minima = scheme.offset == Offset::kMinimum;
  if (!scheme.outer) {
    return is_f16(weight.scales) && (!has_minima || is_f16(weight.minima));
  }
  const OuterScale& outer = *scheme.outer;
  const DType dtype = scheme.scale_dtype;
  return (dtype == DType::kI8 || dtype == DType::kU8) && weight.scale_codebook.empty() &&
         outer.orientation == Orientation::kMultiplier && outer.grid.is_group() &&
         outer.grid.block_cols % scheme.grid.block_cols == 0 &&
         weight.cols % outer.grid.block_cols == 0 && is_f16(weight.outer_scales) &&
         (!has_minima || (weight.minima.dtype == DType::kI8 && is_f16(weight.outer_minima)));
}

double whole_number(const Tensor& numbers, std::size_t i) {
  if (numbers.dtype == DType::kU8) return numbers.as<std::uint8_t>()[i];
  return numbers.as<std::int8_t>()[i];
}

double f16(const Tensor& numbers, std::size_t i) {
  return f16_to_f32(numbers.as<std::uint16_t>()[i]);
}

}  // namespace

bool PlainRows::can_read(const QuantizedWeight& weight) {
  const Scheme& scheme = weight.scheme;
  if (scheme.permuted || scheme.offset == Offset::kZero) return false;
  if (scheme.is_dense()) {
    return !scheme.outer && scheme.offset == Offset::kNone && is_finite(weight.scales);
  }
  return scheme.grid.is_group() && weight.cols % scheme.grid.block_cols == 0 &&
         has_plain_codes(weight) && has_plain_scales(weight);
}

PlainRows::PlainRows(const QuantizedWeight& weight) : weight_(weight) {
  for (std::size_t bits = 0; bits < 256; ++bits) {
    if (weight.scheme.element == Element::kCodebook) {
      const auto entries = weight.codebook.as<float>();
      values_[bits] = bits < entries.size() ? static_cast<double>(entries[bits]) : 0;
    } else {
      const auto code = static_cast<std::uint8_t>(bits);
      values_[bits] = weight.codes.dtype == DType::kI8 ? static_cast<std::int8_t>(code) : code;
    }
  }
}

void PlainRows::read(std::int64_t row, std::span<double> out) const {
  if (!weight_.scheme.is_dense()) return read_groups(row, out);
  read_dense(static_cast<std::size_t>(row * weight_.cols), out);
}

void PlainRows::read_dense(std::size_t first, std::span<double> out) const {
  const auto codes = weight_.codes.as<std::int8_t>().subspan(first, out.size());
  const auto fill = [&](const auto& value) {
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = static_cast<double>(value(first + i)) * codes[i];
    }
  };
  const Tensor& values = weight_.scales;
  if (values.dtype == DType::kF32) {
    fill([numbers = values.as<float>()](std::size_t i) { return numbers[i]; });
  } else if (values.dtype == DType::kBF16) {
    fill([numbers = values.as<std::uint16_t>()](std::size_t i) {
      return std::bit_cast<float>(std::uint32_t{numbers[i]} << 16);
    });
  } else {
    fill([numbers = values.as<std::uint16_t>()](std::size_t i) { return f16_to_f32(numbers[i]); });
  }
}

void PlainRows::read_groups(std::int64_t row, std::span<double> out) const {
  const Scheme& scheme = weight_.scheme;
  const auto size = static_cast<std::size_t>(scheme.grid.block_cols);
  const std::size_t groups = out.size() / size;
  const auto at = static_cast<std::size_t>(row);
  const std::uint8_t* codes = weight_.codes.as<std::uint8_t>().data() + at * out.size();
  const std::size_t in_outer =
      scheme.outer ? static_cast<std::size_t>(scheme.outer->grid.block_cols) / size : 1;
  for (std::size_t g = 0; g < groups; ++g) {
    const std::size_t index = at * groups + g;
    double scale = 0;
    double minimum = 0;
    if (scheme.outer) {
      scale = whole_number(weight_.scales, index) * f16(weight_.outer_scales, index / in_outer);
    } else {
      scale = f16(weight_.scales, index);
    }
    if (scheme.offset == Offset::kMinimum && scheme.outer) {
      minimum = whole_number(weight_.minima, index) * f16(weight_.outer_minima, index / in_outer);
    } else if (scheme.offset == Offset::kMinimum) {
      minimum = f16(weight_.minima, index);
    }
    for (std::size_t i = g * size; i < (g + 1) * size; ++i) {
      out[i] = values_[codes[i]] * scale + minimum;
    }
  }
}

}  // namespace requant
