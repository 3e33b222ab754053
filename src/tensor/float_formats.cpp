#include "tensor/float_formats.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace requant {
namespace {

// A format without special values: sign, `exponent_bits`, `mantissa_bits`, subnormals.
float small_float(std::uint32_t bits, int exponent_bits, int mantissa_bits, int bias) {
  const std::uint32_t mantissa = bits & ((1u << mantissa_bits) - 1);
  const std::uint32_t exponent = (bits >> mantissa_bits) & ((1u << exponent_bits) - 1);
  const std::uint32_t sign = (bits >> (mantissa_bits + exponent_bits)) & 1;
  const auto above = static_cast<std::uint32_t>(127 - bias);  // of an F32's exponent
  if (exponent == 0) {
    const auto step =
        std::bit_cast<float>((above + 1 - static_cast<std::uint32_t>(mantissa_bits)) << 23);
    const float magnitude = static_cast<float>(mantissa) * step;
    return sign != 0 ? -magnitude : magnitude;
  }
  return std::bit_cast<float>((sign << 31) | ((exponent + above) << 23) |
                              (mantissa << (23 - mantissa_bits)));
}

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Rounds a finite |value| <= largest of a format to nearest even and gives the bits without sign.
std::uint32_t encode_magnitude(float magnitude, int mantissa_bits, int bias) {
  if (magnitude == 0) return 0;
  int exponent = 0;
  std::frexp(magnitude, &exponent);  // magnitude = f * 2^exponent, 0.5 <= f < 1
  const int unbiased = std::max(exponent - 1, 1 - bias);
  // Exact: a power of two times a float. nearbyint rounds ties to even in the default mode.
  const auto steps = static_cast<std::uint32_t>(
      std::nearbyint(std::ldexp(static_cast<double>(magnitude), mantissa_bits - unbiased)));
  const auto biased = static_cast<std::uint32_t>(unbiased + bias);
  // Subnormals have steps < 2^mantissa_bits and biased == 1; a carry moves into the exponent.
  return ((biased - 1) << mantissa_bits) + steps;
}

}  // namespace

float f16_to_f32(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000) << 16;
  const std::uint32_t exponent = (bits >> 10) & 31;
  const std::uint32_t mantissa = bits & 0x3FF;
  if (exponent == 0) {
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
  }
  const std::uint32_t wide = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(sign | (wide << 23) | (mantissa << 13));
}

float bf16_to_f32(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

float e4m3fn_to_f32(std::uint8_t bits) {
  return is_nan_e4m3fn(bits) ? kNan : small_float(bits, 4, 3, 7);
}

float e4m3fnuz_to_f32(std::uint8_t bits) {
  return bits == 0x80 ? kNan : small_float(bits, 4, 3, 8);
}

float e5m2_to_f32(std::uint8_t bits) {
  return f16_to_f32(static_cast<std::uint16_t>(bits << 8));  // the upper half of an f16
}

float e5m2fnuz_to_f32(std::uint8_t bits) {
  return bits == 0x80 ? kNan : small_float(bits, 5, 2, 16);
}

float e8m0_to_f32(std::uint8_t bits) {
  return bits == 0xFF ? kNan : std::ldexp(1.0F, static_cast<int>(bits) - 127);
}

float e2m1_to_f32(std::uint8_t bits) { return small_float(bits & 0xF, 2, 1, 1); }
float e2m3_to_f32(std::uint8_t bits) { return small_float(bits & 0x3F, 2, 3, 1); }
float e3m2_to_f32(std::uint8_t bits) { return small_float(bits & 0x3F, 3, 2, 3); }

std::uint16_t f32_to_f16(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000);
  if (std::isnan(value)) return sign | 0x7E00;
  const float magnitude = std::fabs(value);
  if (magnitude >= 65520.0F) return sign | 0x7C00;  // halfway to 65536 rounds up
  return static_cast<std::uint16_t>(sign | encode_magnitude(magnitude, 10, 15));
}

std::uint16_t f32_to_bf16(float value) {
  std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  if (std::isnan(value)) return static_cast<std::uint16_t>((bits >> 16) | 0x40);
  bits += 0x7FFF + ((bits >> 16) & 1);
  return static_cast<std::uint16_t>(bits >> 16);
}

std::uint8_t f32_to_e4m3fn(float value) {
  const std::uint8_t sign = std::signbit(value) ? 0x80 : 0;
  if (std::isnan(value)) return sign | 0x7F;
  return static_cast<std::uint8_t>(sign |
                                   encode_magnitude(std::min(std::fabs(value), 448.0F), 3, 7));
}

std::uint8_t f32_to_e5m2(float value) {
  const std::uint8_t sign = std::signbit(value) ? 0x80 : 0;
  if (std::isnan(value)) return sign | 0x7F;
  return static_cast<std::uint8_t>(sign |
                                   encode_magnitude(std::min(std::fabs(value), 57344.0F), 2, 15));
}

std::uint8_t f32_to_e2m1(float value) {
  if (std::isnan(value)) return 0;
  const std::uint8_t sign = value < 0 ? 0x8 : 0;
  return static_cast<std::uint8_t>(sign | encode_magnitude(std::min(std::fabs(value), 6.0F), 1, 1));
}

std::uint8_t f32_to_e2m3(float value) {
  if (std::isnan(value)) return 0;
  const std::uint8_t sign = value < 0 ? 0x20 : 0;
  return static_cast<std::uint8_t>(sign | encode_magnitude(std::min(std::fabs(value), 7.5F), 3, 1));
}

std::uint8_t f32_to_e3m2(float value) {
  if (std::isnan(value)) return 0;
  const std::uint8_t sign = value < 0 ? 0x20 : 0;
  return static_cast<std::uint8_t>(sign |
                                   encode_magnitude(std::min(std::fabs(value), 28.0F), 2, 3));
}

}  // namespace requant
