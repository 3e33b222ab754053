#pragma once

#include <cstdint>
#include <span>

// The small float formats, bit for bit. Decoding is exact; encoding rounds to nearest, ties to
// even.
//
//   format     sign.exponent.mantissa  bias  largest  special
//   f16        1.5.10                  15    65504    inf, NaN
//   bf16       1.8.7                   127   3.39e38  inf, NaN
//   e4m3fn     1.4.3                   7     448      NaN = S.1111.111, no inf
//   e4m3fnuz   1.4.3                   8     240      NaN = 0x80, no inf, no -0
//   e5m2       1.5.2                   15    57344    inf, NaN
//   e5m2fnuz   1.5.2                   16    57344    NaN = 0x80, no inf, no -0
//   e8m0       0.8.0                   127   2^127    NaN = 0xFF; 0 is 2^-127
//   e2m1       1.2.1                   1     6        none
//   e2m3       1.2.3                   1     7.5      none
//   e3m2       1.3.2                   3     28       none
//
// Sources: IEEE 754-2019; OCP 8-bit Floating Point 1.0; OCP Microscaling Formats 1.0.
namespace requant {

float f16_to_f32(std::uint16_t bits);
float bf16_to_f32(std::uint16_t bits);
float e4m3fn_to_f32(std::uint8_t bits);
float e4m3fnuz_to_f32(std::uint8_t bits);
float e5m2_to_f32(std::uint8_t bits);
float e5m2fnuz_to_f32(std::uint8_t bits);
float e8m0_to_f32(std::uint8_t bits);
float e2m1_to_f32(std::uint8_t bits);
float e2m3_to_f32(std::uint8_t bits);
float e3m2_to_f32(std::uint8_t bits);

// Overflow gives infinity.
std::uint16_t f32_to_f16(float value);
std::uint16_t f32_to_bf16(float value);
// Overflow saturates to +-448 and +-57344; NaN stays NaN.
std::uint8_t f32_to_e4m3fn(float value);
std::uint8_t f32_to_e5m2(float value);
// Saturates to +-6; a negative value that rounds to 0 gives -0 (code 8), -0 itself gives 0. NaN
// gives 0.
std::uint8_t f32_to_e2m1(float value);
// The same, saturating to +-7.5 and +-28.
std::uint8_t f32_to_e2m3(float value);
std::uint8_t f32_to_e3m2(float value);

// True for the bit patterns that are NaN.
constexpr bool is_nan_e4m3fn(std::uint8_t bits) { return (bits & 0x7F) == 0x7F; }
constexpr bool is_nan_e5m2(std::uint8_t bits) { return (bits & 0x7F) > 0x7C; }

}  // namespace requant
