// Of testing.h, apart from the rest because programs without GoogleTest use it too.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <random>

#include "quant/testing.h"
#include "tensor/float_formats.h"

namespace requant::testing_support {
namespace {

using Random = std::mt19937;

int between(Random& random, int low, int high) {
  return std::uniform_int_distribution<int>(low, high)(random);
}

// A code of the element that is a finite number.
std::uint8_t random_code(const Scheme& scheme, Random& random) {
  const int bits = scheme.bits;
  if (scheme.element == Element::kInt && scheme.offset != Offset::kMinimum) {
    return static_cast<std::uint8_t>(between(random, -(1 << (bits - 1)), (1 << (bits - 1)) - 1));
  }
  for (;;) {
    const auto code = static_cast<std::uint8_t>(between(random, 0, (1 << bits) - 1));
    const bool special = (scheme.element == Element::kE4M3Fn && is_nan_e4m3fn(code)) ||
                         (scheme.element == Element::kE5M2 && (code & 0x7F) >= 0x7C) ||
                         code == 0x80;
    if (!special) return code;
  }
}

// Raw bits of a positive, finite number of ordinary size.
void put_number(DType dtype, std::size_t index, TensorBuilder& out, Random& random) {
  const float value = std::ldexp(1 + static_cast<float>(random() % 8192) / 8192,  // 14 bits
                                 between(random, -8, 3));
  switch (dtype) {
    case DType::kF32:
      out.as<float>()[index] = value * (1 + static_cast<float>(random() % 512) * 0x1p-23F);
      break;
    case DType::kF16:
      out.as<std::uint16_t>()[index] = f32_to_f16(value);
      break;
    case DType::kBF16:
      out.as<std::uint16_t>()[index] = f32_to_bf16(value);
      break;
    case DType::kF8E4M3:
      out.as<std::uint8_t>()[index] = f32_to_e4m3fn(value * 8);
      break;
    case DType::kI16:
      out.as<std::int16_t>()[index] = static_cast<std::int16_t>(between(random, -8, 7));
      break;
    default:
      out.as<std::uint8_t>()[index] = static_cast<std::uint8_t>(between(random, 1, 63));
      break;
  }
}

Tensor random_numbers(DType dtype, Shape shape, Random& random) {
  auto out = TensorBuilder::make(dtype, std::move(shape));
  const std::size_t count = out->bytes().size() * 8 / static_cast<std::size_t>(info(dtype).bits);
  for (std::size_t i = 0; i < count; ++i) put_number(dtype, i, *out, random);
  return std::move(*out).finish();
}

Tensor random_codes(const Scheme& scheme, Shape shape, Random& random) {
  const bool is_signed = scheme.element == Element::kInt && scheme.offset != Offset::kMinimum;
  auto out = TensorBuilder::make(is_signed ? DType::kI8 : DType::kU8, std::move(shape));
  for (std::uint8_t& code : out->as<std::uint8_t>()) code = random_code(scheme, random);
  return std::move(*out).finish();
}

Shape grid_shape(const Grid& grid, const QuantizedWeight& w) {
  return {grid.rows_of(w.rows, w.cols), grid.cols_of(w.rows, w.cols)};
}

// As wide as the codes: formats store them in the same bits.
Tensor random_zeros(int bits, Shape shape, Random& random) {
  auto out = TensorBuilder::make(DType::kI16, std::move(shape));
  for (std::int16_t& zero : out->as<std::int16_t>()) {
    zero = static_cast<std::int16_t>(between(random, -(1 << (bits - 1)), (1 << (bits - 1)) - 1));
  }
  return std::move(*out).finish();
}

void add_offsets(QuantizedWeight& w, Random& random) {
  const Shape shape = grid_shape(w.scheme.grid, w);
  if (w.scheme.offset == Offset::kZero) w.zeros = random_zeros(w.scheme.bits, shape, random);
  if (w.scheme.offset == Offset::kMinimum) w.minima = random_numbers(DType::kF16, shape, random);
}

void add_activations(QuantizedWeight& w, Random& random) {
  const Activations& activations = w.scheme.activations;
  const bool is_nvfp4 = activations.kind == ActivationKind::kDynamic &&
                        activations.element == Element::kE2M1 && activations.group == 16;
  if (is_nvfp4) w.input_scale = random_numbers(DType::kF32, {1}, random);
  if (activations.kind != ActivationKind::kStatic) return;
  w.input_scale = random_numbers(DType::kF32, {1}, random);
  if (!activations.symmetric) w.input_zero = random_numbers(DType::kI16, {1}, random);
}

}  // namespace

QuantizedWeight random_weight(const Scheme& scheme, std::int64_t rows, std::int64_t cols,
                              std::uint32_t seed) {
  Random random(seed);
  QuantizedWeight w;
  w.scheme = scheme;
  w.rows = rows;
  w.cols = cols;
  w.codes = random_codes(scheme, {rows, cols}, random);
  w.scales = random_numbers(scheme.scale_dtype, grid_shape(scheme.grid, w), random);
  add_offsets(w, random);
  if (scheme.element == Element::kCodebook) {
    w.codebook = random_numbers(DType::kF32, {std::int64_t{1} << scheme.bits}, random);
  }
  if (scheme.outer) {
    w.outer_scales = random_numbers(scheme.outer->dtype, grid_shape(scheme.outer->grid, w), random);
  }
  if (scheme.permuted) {
    std::vector<std::int32_t> groups(static_cast<std::size_t>(cols));
    for (auto& group : groups) {
      group = between(random, 0, static_cast<int>(grid_shape(scheme.grid, w)[1]) - 1);
    }
    w.permutation = tensor_of(DType::kI32, {cols}, groups);
  }
  if (scheme.input_multiplier) {
    w.input_multiplier = random_numbers(scheme.multiplier_dtype, {cols}, random);
  }
  add_activations(w, random);
  if (!validate(w)) std::abort();  // the scheme is none that a weight can have
  return w;
}

}  // namespace requant::testing_support
