#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "codec/transform.h"
#include "codec/transform_codes.h"
#include "tensor/float_formats.h"

namespace requant {
namespace {

constexpr std::int64_t kMxGroup = 32;
constexpr std::int64_t kNvGroup = 16;
constexpr int kLargestExponent = 8;    // of a power of two in e4m3fn
constexpr int kSmallestExponent = -9;  // and the smallest

std::size_t at(std::int64_t index) { return static_cast<std::size_t>(index); }

Result<Tensor> one_f32(Shape shape, float value) {
  RQ_TRY(TensorBuilder builder, TensorBuilder::make(DType::kF32, std::move(shape)));
  builder.as<float>()[0] = value;
  return std::move(builder).finish();
}

struct Reciprocal {
  float value = 0;
  bool exact = true;
};

Result<Reciprocal> reciprocal(std::string_view what, const Tensor& tensor) {
  const auto value = static_cast<float>(element_as_double(tensor, 0));
  const float turned = 1.0F / value;
  if (!(turned > 0) || !std::isfinite(turned)) {
    return refused(fmt::format("{} {} has no reciprocal", what, value));
  }
  return Reciprocal{turned, static_cast<double>(value) * static_cast<double>(turned) == 1.0};
}

// Whether any code of a block is other than 0.
bool is_used(const QuantizedWeight& w, std::int64_t block) {
  const auto codes = w.codes.as<std::uint8_t>().subspan(at(block * kMxGroup), at(kMxGroup));
  return std::ranges::any_of(codes, [](std::uint8_t code) { return (code & 7) != 0; });
}

// The exponents of the blocks, kUnused where all codes are 0.
constexpr int kUnused = -1000;
std::vector<int> exponents_of(const QuantizedWeight& w) {
  std::vector<int> exponents(at(w.scales.elements()), kUnused);
  const auto stored = w.scales.as<std::uint8_t>();
  for (std::size_t i = 0; i < exponents.size(); ++i) {
    if (is_used(w, static_cast<std::int64_t>(i))) exponents[i] = int{stored[i]} - 127;
  }
  return exponents;
}

// The power of two over all: both it and its reciprocal are normal F32.
int global_exponent(const std::vector<int>& exponents) {
  const int largest = *std::ranges::max_element(exponents);
  return largest == kUnused ? 0 : std::max(-126, largest - kLargestExponent);
}

}  // namespace

Result<OuterTurn> with_outer_orientation(const QuantizedWeight& weight, Orientation orientation) {
  RQ_TRY(const Reciprocal turned, reciprocal("the outer scale", weight.outer_scales));
  OuterTurn out{.weight = weight, .exact = turned.exact};
  RQ_TRY(out.weight.outer_scales, one_f32(weight.outer_scales.shape, turned.value));
  out.weight.scheme.outer->orientation = orientation;
  return out;
}

Result<OuterTurn> with_input_orientation(const QuantizedWeight& weight, Orientation orientation) {
  OuterTurn out{.weight = weight};
  out.weight.scheme.activations.orientation = orientation;
  if (weight.input_scale.empty()) return out;
  RQ_TRY(const Reciprocal turned, reciprocal("the scale of the inputs", weight.input_scale));
  out.exact = turned.exact;
  RQ_TRY(out.weight.input_scale, one_f32(weight.input_scale.shape, turned.value));
  return out;
}

Result<ScaleRounding> without_outer(const QuantizedWeight& weight) {
  const Scheme& scheme = weight.scheme;
  const Grid& grid = scheme.grid;
  if (!scheme.outer || !is_half_or_single(scheme.scale_dtype) || grid.flat ||
      scheme.offset == Offset::kMinimum || !weight.scale_codebook.empty()) {
    return refused("scales of " + describe(scheme) + " cannot take in the outer ones");
  }
  ScaleRounding out{.weight = weight};
  RQ_TRY(TensorBuilder scales, TensorBuilder::make(DType::kF32, weight.scales.shape));
  const std::int64_t per_row = grid.cols_of(weight.rows, weight.cols);
  const bool divides = scheme.outer->orientation == Orientation::kDivisor;
  for (std::int64_t i = 0; i < weight.scales.elements(); ++i) {
    const std::int64_t cell = scheme.outer->grid.index(
        i / per_row * grid.block_rows, i % per_row * grid.block_cols, weight.rows, weight.cols);
    const double outer = element_as_double(weight.outer_scales, cell);
    const double scale = element_as_double(weight.scales, i);
    const auto whole = static_cast<float>(divides ? scale / outer : scale * outer);
    if (!std::isfinite(whole) || (whole == 0 && scale != 0)) {
      return refused(fmt::format("scale {} under the outer scale {} is beyond F32", scale, outer));
    }
    // Products of two floats of 24 bits are exact.
    const auto wide = static_cast<double>(whole);
    const bool exact = divides ? wide * outer == scale : wide == scale * outer;
    out.scales += exact ? 0 : 1;
    scales.as<float>()[at(i)] = whole;
  }
  out.weight.scales = std::move(scales).finish();
  out.weight.outer_scales = {};
  out.weight.scheme.outer.reset();
  out.weight.scheme.scale_dtype = DType::kF32;
  return out;
}

Result<ScaleRounding> with_outer_scale(const QuantizedWeight& weight, float outer) {
  const Scheme& scheme = weight.scheme;
  if (!scheme.outer || !scheme.outer->grid.is_tensor() || scheme.scale_dtype != DType::kF8E4M3) {
    return refused("scales of " + describe(scheme) + " cannot take another outer one");
  }
  ScaleRounding out{.weight = weight};
  const double own = element_as_double(weight.outer_scales, 0);
  const bool divides = scheme.outer->orientation == Orientation::kDivisor;
  const double from = divides ? 1 : own;
  const double to = divides ? own : static_cast<double>(outer);
  const double numerator = divides ? static_cast<double>(outer) : from;
  RQ_TRY(TensorBuilder scales, TensorBuilder::make(DType::kF8E4M3, weight.scales.shape));
  for (std::size_t i = 0; const std::uint8_t code : weight.scales.as<std::uint8_t>()) {
    const double scale = static_cast<double>(e4m3fn_to_f32(code)) * numerator;
    const std::uint8_t rounded = f32_to_e4m3fn(static_cast<float>(scale / to));
    scales.as<std::uint8_t>()[i++] = rounded;
    out.scales += static_cast<double>(e4m3fn_to_f32(rounded)) * to != scale ? 1 : 0;
  }
  out.weight.scales = std::move(scales).finish();
  RQ_TRY(out.weight.outer_scales, one_f32(weight.outer_scales.shape, outer));
  return out;
}

Result<Nvfp4Form> mxfp4_to_nvfp4(const QuantizedWeight& weight, Orientation orientation) {
  const Scheme& scheme = weight.scheme;
  if (scheme.element != Element::kE2M1 || scheme.grid != Grid::group(kMxGroup) ||
      scheme.scale_dtype != DType::kF8E8M0 || scheme.outer || weight.cols % kMxGroup != 0) {
    return refused(describe(scheme) + " is not mxfp4");
  }
  RQ_CHECK(check_sound(weight));
  const auto exponents = exponents_of(weight);
  const int global = global_exponent(exponents);
  Nvfp4Form out{.weight = weight};
  RQ_TRY(TensorBuilder scales,
         TensorBuilder::make(DType::kF8E4M3, {weight.rows, weight.cols / kNvGroup}));
  RQ_TRY(TensorBuilder codes, TensorBuilder::make(DType::kU8, weight.codes.shape));
  const CodeNumbers numbers(scheme);
  for (std::size_t block = 0; block < exponents.size(); ++block) {
    const int exponent = exponents[block] - global;
    const int kept = std::clamp(exponent, kSmallestExponent, kLargestExponent);
    const std::uint8_t scale = f32_to_e4m3fn(std::ldexp(1.0F, kept));
    std::ranges::fill(scales.as<std::uint8_t>().subspan(2 * block, 2), scale);
    const std::size_t first = block * at(kMxGroup);
    const bool fits = exponents[block] == kUnused || exponent >= kSmallestExponent;
    out.scales += fits ? 0 : 1;
    const double own = fits ? 1 : std::ldexp(1.0, exponent);
    const CodeMap map(numbers, own, fits ? 1 : std::ldexp(1.0, kept));
    out.codes += map.apply(weight.codes.as<std::uint8_t>().data() + first, at(kMxGroup),
                           codes.as<std::uint8_t>().data() + first);
  }
  out.weight.codes = std::move(codes).finish();
  out.weight.scales = std::move(scales).finish();
  out.weight.scheme.grid = Grid::group(kNvGroup);
  out.weight.scheme.scale_dtype = DType::kF8E4M3;
  out.weight.scheme.outer = OuterScale{.orientation = orientation};
  const bool divides = orientation == Orientation::kDivisor;
  RQ_TRY(out.weight.outer_scales, one_f32({1, 1}, std::ldexp(1.0F, divides ? -global : global)));
  RQ_CHECK(validate(out.weight));
  return out;
}

}  // namespace requant
