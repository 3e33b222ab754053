#include "tensor/float_formats.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

namespace requant {
namespace {

// Values of the standards' own tables.
TEST(FloatFormats, DecodesTheCornersOfEachFormat) {
  EXPECT_EQ(e4m3fn_to_f32(0x7E), 448.0F);
  EXPECT_EQ(e4m3fn_to_f32(0x01), 0x1p-9F);
  EXPECT_EQ(e4m3fn_to_f32(0x08), 0x1p-6F);
  EXPECT_TRUE(std::isnan(e4m3fn_to_f32(0xFF)));
  EXPECT_EQ(e4m3fnuz_to_f32(0x7F), 240.0F);
  EXPECT_TRUE(std::isnan(e4m3fnuz_to_f32(0x80)));
  EXPECT_EQ(e5m2_to_f32(0x7B), 57344.0F);
  EXPECT_TRUE(std::isinf(e5m2_to_f32(0x7C)));
  EXPECT_TRUE(std::isnan(e5m2_to_f32(0x7D)));
  EXPECT_EQ(e5m2fnuz_to_f32(0x7F), 57344.0F);
  EXPECT_EQ(e8m0_to_f32(127), 1.0F);
  EXPECT_EQ(e8m0_to_f32(0), 0x1p-127F);
  EXPECT_TRUE(std::isnan(e8m0_to_f32(255)));
  constexpr float kE2M1[] = {0, 0.5F, 1, 1.5F, 2, 3, 4, 6};
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(e2m1_to_f32(static_cast<std::uint8_t>(i)), kE2M1[i]);
    EXPECT_EQ(e2m1_to_f32(static_cast<std::uint8_t>(i | 8)), -kE2M1[i]);
  }
  EXPECT_TRUE(std::signbit(e2m1_to_f32(8)));
  EXPECT_EQ(e2m3_to_f32(0x1F), 7.5F);
  EXPECT_EQ(e3m2_to_f32(0x1F), 28.0F);
  EXPECT_EQ(f16_to_f32(0x7BFF), 65504.0F);
  EXPECT_EQ(f16_to_f32(0x0001), 0x1p-24F);
  EXPECT_EQ(bf16_to_f32(0x3F80), 1.0F);
}

TEST(FloatFormats, EncodingInvertsDecoding) {
  for (int i = 0; i < 256; ++i) {
    const auto bits = static_cast<std::uint8_t>(i);
    if (!is_nan_e4m3fn(bits)) {
      EXPECT_EQ(f32_to_e4m3fn(e4m3fn_to_f32(bits)), bits);
    }
    if ((bits & 0x7F) < 0x7C) {
      EXPECT_EQ(f32_to_e5m2(e5m2_to_f32(bits)), bits);
    }
  }
  for (int i = 0; i < 64; ++i) {
    const auto bits = static_cast<std::uint8_t>(i);
    if (bits == 0x20) continue;  // -0 comes back as 0
    EXPECT_EQ(f32_to_e2m3(e2m3_to_f32(bits)), bits);
    EXPECT_EQ(f32_to_e3m2(e3m2_to_f32(bits)), bits);
  }
  for (int i = 0; i < 65536; ++i) {
    const auto bits = static_cast<std::uint16_t>(i);
    if (!std::isnan(f16_to_f32(bits))) {
      EXPECT_EQ(f32_to_f16(f16_to_f32(bits)), bits);
    }
    if (!std::isnan(bf16_to_f32(bits))) {
      EXPECT_EQ(f32_to_bf16(bf16_to_f32(bits)), bits);
    }
  }
}

TEST(FloatFormats, RoundsTiesToEvenAndSaturates) {
  EXPECT_EQ(f32_to_e4m3fn(17.0F), f32_to_e4m3fn(16.0F));  // between 16 and 18
  EXPECT_EQ(f32_to_e4m3fn(19.0F), f32_to_e4m3fn(20.0F));  // between 18 and 20
  EXPECT_EQ(f32_to_e4m3fn(1e9F), 0x7E);
  EXPECT_EQ(f32_to_e4m3fn(-465.0F), 0xFE);
  EXPECT_EQ(f32_to_e4m3fn(0x1p-10F), 0x00);
  EXPECT_EQ(f32_to_e4m3fn(0x1.8p-10F), 0x01);
  EXPECT_EQ(f32_to_e2m3(-9.0F), 0x3F);
  EXPECT_EQ(f32_to_e2m3(0x1p-4F), 0x00);  // between 0 and 1/8
  EXPECT_EQ(f32_to_e3m2(1e9F), 0x1F);
  EXPECT_EQ(f32_to_e3m2(4.5F), f32_to_e3m2(4.0F));  // between 4 and 5
  EXPECT_EQ(f32_to_f16(65519.0F), 0x7BFF);
  EXPECT_EQ(f32_to_f16(65520.0F), 0x7C00);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3F808000u)), 0x3F80);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3F818000u)), 0x3F82);
}

}  // namespace
}  // namespace requant
