#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "codec/transform.h"
#include "codec/transform_scales.h"
#include "tensor/float_formats.h"

namespace requant {
namespace {

constexpr std::uint8_t kMinusZero = 0x80;    // of e4m3fn; the NaN of e4m3fnuz
constexpr std::uint8_t kLargestFnuz = 0x7F;  // 240, without its sign

std::size_t at(std::int64_t index) { return static_cast<std::size_t>(index); }

// By code: the e4m3fn code of its value x a factor, and whether the value changes.
struct CodeTable {
  std::array<std::uint8_t, 256> code = {};
  std::array<bool, 256> changes = {};
};

template <class ToF32>
CodeTable table_of(const ToF32& to_f32, float factor) {
  CodeTable table;
  for (std::size_t i = 0; i < 256; ++i) {
    const float value = to_f32(static_cast<std::uint8_t>(i));
    if (!std::isfinite(value)) continue;
    table.code[i] = f32_to_e4m3fn(value * factor);
    table.changes[i] = e4m3fn_to_f32(table.code[i]) != value * factor;
  }
  return table;
}

Result<void> require_element(const QuantizedWeight& weight, Element element) {
  if (weight.scheme.element == element) return {};
  return refused(
      fmt::format("codes are {}, not {}", name_of(weight.scheme.element), name_of(element)));
}

// By cell, whether fnuz's largest code is in it.
std::vector<bool> cells_with_largest(const QuantizedWeight& w) {
  std::vector<bool> cells(at(w.scales.elements()));
  const auto codes = w.codes.as<std::uint8_t>();
  for (std::int64_t row = 0; row < w.rows; ++row) {
    for (std::int64_t col = 0; col < w.cols; ++col) {
      if ((codes[at(row * w.cols + col)] & 0x7F) != kLargestFnuz) continue;
      cells[at(w.scheme.grid.index(row, col, w.rows, w.cols))] = true;
    }
  }
  return cells;
}

// Half of each scale, but of those kept.
Result<Tensor> halve_scales(const Tensor& scales, const std::vector<bool>& kept) {
  RQ_TRY(Tensor halves, scales_times_power(scales, -1));
  if (std::ranges::find(kept, true) == kept.end()) return halves;
  RQ_TRY(TensorBuilder out, TensorBuilder::make(scales.dtype, scales.shape));
  const std::size_t width = at(info(scales.dtype).bits / 8);
  for (std::size_t i = 0; i < kept.size(); ++i) {
    const Tensor& from = kept[i] ? scales : halves;
    std::ranges::copy(from.bytes.span().subspan(i * width, width),
                      out.bytes().subspan(i * width).begin());
  }
  return std::move(out).finish();
}

}  // namespace

Result<CodeRounding> e5m2_to_e4m3fn(const QuantizedWeight& weight) {
  RQ_CHECK(require_element(weight, Element::kE5M2));
  if (!is_half_or_single(weight.scheme.scale_dtype)) {
    return refused(fmt::format("scales are {}", name_of(weight.scheme.scale_dtype)));
  }
  RQ_CHECK(check_sound(weight));
  CodeRounding rounding{.weight = weight};
  RQ_TRY(rounding.weight.scales, scales_times_power(weight.scales, 7));
  RQ_TRY(TensorBuilder codes, TensorBuilder::make(DType::kU8, weight.codes.shape));
  const CodeTable table = table_of(e5m2_to_f32, 0x1p-7F);
  const auto to = codes.as<std::uint8_t>();
  for (std::size_t i = 0; const std::uint8_t code : weight.codes.as<std::uint8_t>()) {
    to[i++] = table.code[code];
    rounding.codes += table.changes[code] ? 1 : 0;
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

Result<QuantizedWeight> e4m3fn_to_fnuz(const QuantizedWeight& weight) {
  RQ_CHECK(require_element(weight, Element::kE4M3Fn));
  RQ_CHECK(check_sound(weight));
  QuantizedWeight out = weight;
  RQ_TRY(out.scales, scales_times_power(weight.scales, 1));
  RQ_TRY(TensorBuilder codes, TensorBuilder::make(DType::kU8, weight.codes.shape));
  std::ranges::replace_copy(weight.codes.as<std::uint8_t>(), codes.as<std::uint8_t>().begin(),
                            kMinusZero, std::uint8_t{0});
  out.codes = std::move(codes).finish();
  out.scheme.element = Element::kE4M3Fnuz;
  return out;
}

Result<CodeRounding> fnuz_to_e4m3fn(const QuantizedWeight& weight) {
  RQ_CHECK(require_element(weight, Element::kE4M3Fnuz));
  RQ_CHECK(check_sound(weight));
  const auto largest = cells_with_largest(weight);
  CodeRounding out{.weight = weight};
  RQ_TRY(out.weight.scales, halve_scales(weight.scales, largest));
  out.weight.scheme.element = Element::kE4M3Fn;
  if (std::ranges::find(largest, true) == largest.end()) return out;
  RQ_TRY(TensorBuilder codes, TensorBuilder::make(DType::kU8, weight.codes.shape));
  const CodeTable table = table_of(e4m3fnuz_to_f32, 1);
  const auto from = weight.codes.as<std::uint8_t>();
  for (std::int64_t row = 0; row < weight.rows; ++row) {
    for (std::int64_t col = 0; col < weight.cols; ++col) {
      const std::size_t i = at(row * weight.cols + col);
      const bool kept = largest[at(weight.scheme.grid.index(row, col, weight.rows, weight.cols))];
      codes.as<std::uint8_t>()[i] = kept ? table.code[from[i]] : from[i];
      out.codes += kept && table.changes[from[i]] ? 1 : 0;
    }
  }
  out.weight.codes = std::move(codes).finish();
  return out;
}

}  // namespace requant
