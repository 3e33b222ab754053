#pragma once

// What plain_rounding.h does to the values of a block, one value after the other.

namespace requant::kernel {
namespace {

struct PlainCodes {
  // The value of the largest magnitude, the first of several.
  static float largest(const float* x, std::size_t count) {
    float magnitude = 0;
    float found = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (std::fabs(x[i]) <= magnitude) continue;
      magnitude = std::fabs(x[i]);
      found = x[i];
    }
    return found;
  }

  // Of 32 values; the first of several.
  static ValueRange range(const float* x) {
    ValueRange range = {x[0], x[0]};
    for (int i = 1; i < kShort; ++i) {
      if (x[i] < range.least) range.least = x[i];
      if (x[i] > range.greatest) range.greatest = x[i];
    }
    return range;
  }

  static void signed_codes(const float* x, float id, float half, std::uint8_t* codes) {
    for (int i = 0; i < kShort; ++i) {
      const auto code = static_cast<int>(x[i] * id + (half + 0.5F));
      codes[i] = static_cast<std::uint8_t>(std::min(static_cast<int>(2 * half) - 1, code) -
                                           static_cast<int>(half));
    }
  }

  static void range_codes(const float* x, float least, float id, float most, std::uint8_t* codes) {
    for (int i = 0; i < kShort; ++i) {
      const auto code = static_cast<int>((x[i] - least) * id + 0.5F);
      codes[i] = static_cast<std::uint8_t>(std::min(static_cast<int>(most), code));
    }
  }

  static void symmetric_codes(const float* x, std::size_t count, float id, std::uint8_t* codes) {
    for (std::size_t i = 0; i < count; ++i) {
      codes[i] = static_cast<std::uint8_t>(static_cast<int>(std::round(x[i] * id)));
    }
  }

  static void mxfp4_codes(const float* x, float half, std::uint8_t* codes) {
    constexpr float kTwice[] = {0, 1, 2, 3, 4, 6, 8, 12};
    for (int i = 0; i < kShort; ++i) {
      int best = 0;
      float least = std::fabs(x[i]);
      for (int code = 1; code < 16; ++code) {
        const float value = (code < 8 ? kTwice[code] : -kTwice[code - 8]) * half;
        const float error = std::fabs(value - x[i]);
        if (error >= least) continue;
        least = error;
        best = code;
      }
      codes[i] = static_cast<std::uint8_t>(best);
    }
  }
};

}  // namespace
}  // namespace requant::kernel
