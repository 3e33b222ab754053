#include "codec/transform.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/threads.h"
#include "kernel/scan_fp8.h"
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

// Rounds to F32, F16 or BF16.
void store(TensorBuilder& out, DType dtype, std::int64_t index, float value) {
  switch (dtype) {
    case DType::kF16:
      out.as<std::uint16_t>()[at(index)] = f32_to_f16(value);
      break;
    case DType::kBF16:
      out.as<std::uint16_t>()[at(index)] = f32_to_bf16(value);
      break;
    default:
      out.as<float>()[at(index)] = value;
      break;
  }
}

// By e5m2 code: the e4m3fn code of its value x 2^-7, and the value's change by that rounding.
struct CodeTable {
  std::array<std::uint8_t, 256> code = {};
  std::array<float, 256> value = {};
  std::array<float, 256> change = {};
};

CodeTable e5m2_table() {
  CodeTable table;
  for (std::size_t i = 0; i < 256; ++i) {
    const float value = e5m2_to_f32(static_cast<std::uint8_t>(i));
    if (!std::isfinite(value)) continue;
    table.code[i] = f32_to_e4m3fn(value * 0x1p-7F);
    table.value[i] = std::fabs(value);
    table.change[i] = std::fabs(e4m3fn_to_f32(table.code[i]) * 0x1p7F - value);
  }
  return table;
}

void round_row(const CodeTable& table, std::span<const std::uint8_t> from,
               std::span<std::uint8_t> to, CodeRounding& rounding) {
  float largest = 0;
  float change = 0;
  for (std::size_t i = 0; i < from.size(); ++i) {
    to[i] = table.code[from[i]];
    rounding.codes += table.change[from[i]] != 0 ? 1 : 0;
    largest = std::max(largest, table.value[from[i]]);
    change = std::max(change, table.change[from[i]]);
  }
  if (largest > 0) {
    rounding.max_relative =
        std::max(rounding.max_relative, static_cast<double>(change) / static_cast<double>(largest));
  }
}

Result<Tensor> scales_times_128(const Tensor& scales) {
  RQ_TRY(TensorBuilder out, TensorBuilder::make(scales.dtype, scales.shape));
  const std::int64_t count = scales.elements();
  for (std::int64_t i = 0; i < count; ++i) {
    const double scale = element_as_double(scales, i) * 128;
    store(out, scales.dtype, i, static_cast<float>(scale));
  }
  Tensor result = std::move(out).finish();
  for (std::int64_t i = 0; i < count; ++i) {
    // Powers of two are exact but at the ends of the range.
    if (element_as_double(result, i) != element_as_double(scales, i) * 128) {
      return refused(
          fmt::format("scale {} of {} does not take a factor of 128", i, name_of(scales.dtype)));
    }
  }
  return result;
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
    store(scales, scheme.scale_dtype, row, 1);
  }
  repair.weight.codes = std::move(codes).finish();
  repair.weight.scales = std::move(scales).finish();
  return repair;
}

Result<void> check_sound(const QuantizedWeight& weight) {
  const Grid& grid = weight.scheme.grid;
  const std::int64_t per_row = grid.cols_of(weight.rows, weight.cols);
  const std::int64_t count = weight.scales.elements();
  for (std::int64_t i = 0; i < count; ++i) {
    const double scale = element_as_double(weight.scales, i);
    if (std::isfinite(scale)) continue;
    return refused(fmt::format("scale [{}, {}] is {}", i / per_row, i % per_row, scale));
  }
  if (specials(weight.scheme.element, weight.codes.as<std::uint8_t>()) == 0) return {};
  for (std::int64_t row = 0; row < weight.rows; ++row) {
    if (specials(weight.scheme.element, codes_of_row(weight, row)) != 0) return special_code(row);
  }
  return {};
}

Result<CodeRounding> e5m2_to_e4m3fn(const QuantizedWeight& weight) {
  if (weight.scheme.element != Element::kE5M2) {
    return refused("codes are " + std::string(name_of(weight.scheme.element)) + ", not e5m2");
  }
  if (!is_half_or_single(weight.scheme.scale_dtype)) {
    return refused(fmt::format("scales are {}", name_of(weight.scheme.scale_dtype)));
  }
  RQ_CHECK(check_sound(weight));
  CodeRounding rounding{.weight = weight};
  RQ_TRY(rounding.weight.scales, scales_times_128(weight.scales));
  RQ_TRY(TensorBuilder codes, TensorBuilder::make(DType::kU8, weight.codes.shape));
  const CodeTable table = e5m2_table();
  for (std::int64_t row = 0; row < weight.rows; ++row) {
    const auto to = codes.as<std::uint8_t>().subspan(at(row * weight.cols), at(weight.cols));
    round_row(table, codes_of_row(weight, row), to, rounding);
  }
  rounding.weight.codes = std::move(codes).finish();
  rounding.weight.scheme.element = Element::kE4M3Fn;
  Activations& activations = rounding.weight.scheme.activations;
  // A static scale was chosen for e5m2's range, so only dynamic activations follow.
  if (activations.kind == ActivationKind::kDynamic && activations.element == Element::kE5M2) {
    activations.element = Element::kE4M3Fn;
  }
  return rounding;
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
    store(out, dtype, i, static_cast<float>(element_as_double(weight.scales, i)));
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

Result<OuterTurn> with_outer_orientation(const QuantizedWeight& weight, Orientation orientation) {
  const float outer = weight.outer_scales.as<float>()[0];
  const float turned = 1.0F / outer;
  if (!(turned > 0) || !std::isfinite(turned)) {
    return refused(fmt::format("the outer scale {} has no reciprocal", outer));
  }
  OuterTurn out{.weight = weight, .exact = false};
  out.exact = static_cast<double>(outer) * static_cast<double>(turned) == 1.0;
  RQ_TRY(TensorBuilder builder, TensorBuilder::make(DType::kF32, weight.outer_scales.shape));
  builder.as<float>()[0] = turned;
  out.weight.outer_scales = std::move(builder).finish();
  out.weight.scheme.outer->orientation = orientation;
  return out;
}

QuantizedWeight with_activations(QuantizedWeight weight, const Activations& activations) {
  weight.scheme.activations = activations;
  weight.input_scale = {};
  weight.input_zero = {};
  return weight;
}

}  // namespace requant
