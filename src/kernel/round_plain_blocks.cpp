#include "kernel/round_plain_blocks.h"

#include <algorithm>
#include <cmath>

#include "tensor/float_formats.h"

namespace requant {
namespace {

void put_f16(std::uint8_t* to, float value) {
  const std::uint16_t bits = f32_to_f16(value);
  to[0] = static_cast<std::uint8_t>(bits & 0xFF);
  to[1] = static_cast<std::uint8_t>(bits >> 8);
}

// 0 where there is none.
float inverse(float d) {
  const float id = 1.0F / d;
  return std::isfinite(id) ? id : 0.0F;
}

// The value of the largest magnitude, the first of several.
float largest(std::span<const float> values) {
  float magnitude = 0;
  float found = 0;
  for (const float value : values) {
    if (std::fabs(value) <= magnitude) continue;
    magnitude = std::fabs(value);
    found = value;
  }
  return found;
}

// Q4_0, Q5_0: the value of the largest magnitude is the lowest code.
void signed_block(int bits, const PlainBlock& block) {
  const int half = 1 << (bits - 1);
  const float d = largest(block.values) / static_cast<float>(-half);
  const float id = inverse(d);
  put_f16(block.scale, d);
  for (std::size_t i = 0; i < block.values.size(); ++i) {
    const float moved = block.values[i] * id + (static_cast<float>(half) + 0.5F);
    const int code = std::min(2 * half - 1, static_cast<int>(moved));
    block.codes[i] = static_cast<std::uint8_t>(code - half);
  }
}

// Q4_1, Q5_1: the range from the least value to the greatest.
void range_block(int bits, const PlainBlock& block) {
  const int most = (1 << bits) - 1;
  const auto [least, greatest] = std::ranges::minmax(block.values);
  const float d = (greatest - least) / static_cast<float>(most);
  const float id = inverse(d);
  put_f16(block.scale, d);
  put_f16(block.minimum, least);
  for (std::size_t i = 0; i < block.values.size(); ++i) {
    const int code = static_cast<int>((block.values[i] - least) * id + 0.5F);
    block.codes[i] = static_cast<std::uint8_t>(std::min(most, code));
  }
}

// Q8_0, TQ1_0, TQ2_0: halves away from zero.
void symmetric_block(float most, const PlainBlock& block) {
  const float d = std::fabs(largest(block.values)) / most;
  const float id = inverse(d);
  put_f16(block.scale, d);
  for (std::size_t i = 0; i < block.values.size(); ++i) {
    block.codes[i] = static_cast<std::uint8_t>(static_cast<int>(std::round(block.values[i] * id)));
  }
}

// The nearest of twice e2m1's values times half the scale, the first of several.
void mxfp4_block(const PlainBlock& block) {
  constexpr float kTwice[] = {0, 1, 2, 3, 4, 6, 8, 12};
  const float magnitude = std::fabs(largest(block.values));
  const int exponent =
      magnitude > 0 ? static_cast<int>(std::floor(std::log2(magnitude))) - 2 + 127 : 0;
  const auto stored = static_cast<std::uint8_t>(std::max(exponent, 0));
  block.scale[0] = stored;
  const float half = std::ldexp(1.0F, stored - 128);
  for (std::size_t i = 0; i < block.values.size(); ++i) {
    int best = 0;
    float least = std::fabs(block.values[i]);
    for (int code = 1; code < 16; ++code) {
      const float value = (code < 8 ? kTwice[code] : -kTwice[code - 8]) * half;
      const float error = std::fabs(value - block.values[i]);
      if (error >= least) continue;
      least = error;
      best = code;
    }
    block.codes[i] = static_cast<std::uint8_t>(best);
  }
}

}  // namespace

PlainRounding plain_rounding_of(const Scheme& scheme) {
  const bool is_plain = !scheme.outer && !scheme.permuted && !scheme.input_multiplier &&
                        scheme.activations.kind == ActivationKind::kNone;
  if (!is_plain) return nullptr;
  if (scheme.element == Element::kE2M1 && scheme.grid == Grid::group(32) &&
      scheme.scale_dtype == DType::kF8E8M0) {
    return mxfp4_block;
  }
  if (scheme.element != Element::kInt || scheme.scale_dtype != DType::kF16) return nullptr;
  const bool has_minima = scheme.offset == Offset::kMinimum;
  if (scheme.offset == Offset::kZero) return nullptr;
  if (scheme.grid == Grid::group(256) && !has_minima && (scheme.bits == 2 || scheme.bits == 3)) {
    return [](const PlainBlock& block) { symmetric_block(1, block); };
  }
  if (scheme.grid != Grid::group(32)) return nullptr;
  switch (scheme.bits) {
    case 4:
      return has_minima ? PlainRounding([](const PlainBlock& block) { range_block(4, block); })
                        : PlainRounding([](const PlainBlock& block) { signed_block(4, block); });
    case 5:
      return has_minima ? PlainRounding([](const PlainBlock& block) { range_block(5, block); })
                        : PlainRounding([](const PlainBlock& block) { signed_block(5, block); });
    case 8:
      return has_minima
                 ? nullptr
                 : PlainRounding([](const PlainBlock& block) { symmetric_block(127, block); });
    default:
      return nullptr;
  }
}

}  // namespace requant
