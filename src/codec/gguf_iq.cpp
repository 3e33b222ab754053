// ggml's IQ types: blocks of 256 elements under an F16 `d`. A code names a point of a grid (four or
// eight magnitudes) and its signs, or, in IQ1, a point and which way it is shifted; groups have a
// scale of 2 s + 1. The neutral form has point and signs as one code, and the constant in the
// codebook. Bytes of a block in brackets:
//
//   IQ2_XXS [66]   d, 8 x (u8 point[4], u32 b)              signs b >> 7 j & 127, s = b >> 28, /8
//   IQ2_XS  [74]   d, u16 qs[32], scales[8]                 point q & 511, signs q >> 9, /8
//   IQ2_S   [82]   d, qs[32], signs[32], qh[8], scales[8]   point of ten bits, eight signs, /8
//   IQ3_XXS [98]   d, qs[64], u32 b[8]                      points of four, else as IQ2_XXS, /4
//   IQ3_S   [110]  d, qs[64], qh[8], signs[32], scales[4]   points of four and nine bits
//   IQ1_S   [50]   d, qs[32], u16 qh[8]                     point of eleven bits, shifted by 1/8
//   IQ1_M   [56]   qs[32], qh[16], u16 sc[4]                the same; d in the top nibbles of sc
//
// /8 and /4: of d. Seven bits of signs stand for eight, of which an even number is set.

#include <algorithm>
#include <bit>

#include "codec/gguf_blocks.h"
#include "codec/gguf_codebooks.h"

namespace requant {
namespace {

constexpr std::int64_t kElements = 256;

Scheme iq(std::string_view codebook, int bits, std::int64_t group) {
  Scheme scheme;
  scheme.element = Element::kCodebook;
  scheme.codebook = codebook;
  scheme.bits = bits;
  scheme.grid = Grid::group(group);
  scheme.scale_dtype = DType::kU8;
  scheme.outer = OuterScale{.dtype = DType::kF16, .grid = Grid::group(kElements)};
  return scheme;
}

std::uint8_t odd(std::uint32_t s) { return static_cast<std::uint8_t>(2 * s + 1); }
std::uint16_t word(std::uint32_t code) { return static_cast<std::uint16_t>(code); }

// Scales of four bits, the low nibble of a byte first.
void split_scales(const std::uint8_t* from, int bytes, std::uint8_t* scales) {
  for (int i = 0; i < bytes; ++i) {
    scales[2 * i] = odd(from[i] & 15);
    scales[2 * i + 1] = odd(from[i] >> 4);
  }
}

void split_iq2_xxs(const std::uint8_t* block, const GgufBlock& out) {
  std::copy_n(block, 2, out.outer);
  for (int k = 0; k < 8; ++k) {
    const std::uint8_t* points = block + 2 + 8 * k;
    const std::uint32_t b = gguf_u32(points + 4);
    out.scales[k] = odd(b >> 28);
    for (int j = 0; j < 4; ++j) {
      out.wide_codes[4 * k + j] = word(points[j] * 128U + (b >> 7 * j & 127));
    }
  }
}

void split_iq2_xs(const std::uint8_t* block, const GgufBlock& out) {
  std::copy_n(block, 2, out.outer);
  for (int j = 0; j < 32; ++j) {
    const std::uint32_t q = gguf_u16(block + 2 + 2 * j);
    out.wide_codes[j] = word((q & 511) * 128 + (q >> 9));
  }
  split_scales(block + 66, 8, out.scales);
}

void split_iq2_s(const std::uint8_t* block, const GgufBlock& out) {
  std::copy_n(block, 2, out.outer);
  for (int j = 0; j < 32; ++j) {
    const auto high = static_cast<std::uint32_t>(block[66 + j / 4] >> 2 * (j % 4) & 3);
    const std::uint32_t point = block[2 + j] | high << 8;
    const std::uint32_t signs = block[34 + j];
    out.wide_codes[2 * j] = word(2 * point * 16 + (signs & 15));
    out.wide_codes[2 * j + 1] = word((2 * point + 1) * 16 + (signs >> 4));
  }
  split_scales(block + 74, 8, out.scales);
}

void split_iq3_xxs(const std::uint8_t* block, const GgufBlock& out) {
  std::copy_n(block, 2, out.outer);
  for (int k = 0; k < 8; ++k) {
    const std::uint32_t b = gguf_u32(block + 66 + 4 * k);
    out.scales[k] = odd(b >> 28);
    for (int j = 0; j < 8; ++j) {
      const std::uint32_t seven = b >> 7 * (j / 2) & 127;
      const std::uint32_t eight = seven | (static_cast<std::uint32_t>(std::popcount(seven)) & 1)
                                              << 7;
      out.wide_codes[8 * k + j] = word(block[2 + 8 * k + j] * 16U + (eight >> 4 * (j % 2) & 15));
    }
  }
}

void split_iq3_s(const std::uint8_t* block, const GgufBlock& out) {
  std::copy_n(block, 2, out.outer);
  for (int j = 0; j < 64; ++j) {
    const auto high = static_cast<std::uint32_t>(block[66 + j / 8] >> j % 8 & 1);
    const std::uint32_t point = block[2 + j] | high << 8;
    const auto signs = static_cast<std::uint32_t>(block[74 + j / 2] >> 4 * (j % 2) & 15);
    out.wide_codes[j] = word(point * 16 + signs);
  }
  split_scales(block + 106, 4, out.scales);
}

constexpr std::uint32_t kShiftedDown = 2048;

void split_iq1_s(const std::uint8_t* block, const GgufBlock& out) {
  std::copy_n(block, 2, out.outer);
  for (int k = 0; k < 8; ++k) {
    const std::uint32_t qh = gguf_u16(block + 34 + 2 * k);
    out.scales[k] = odd(qh >> 12 & 7);
    for (int j = 0; j < 4; ++j) {
      const std::uint32_t point = block[2 + 4 * k + j] | (qh >> 3 * j & 7) << 8;
      out.wide_codes[4 * k + j] = word(point + (qh >> 15) * kShiftedDown);
    }
  }
}

void split_iq1_m(const std::uint8_t* block, const GgufBlock& out) {
  std::uint32_t d = 0;
  for (int i = 0; i < 4; ++i) {
    const std::uint32_t sc = gguf_u16(block + 48 + 2 * i);
    d |= sc >> 12 << 4 * i;
    for (int j = 0; j < 4; ++j) out.scales[4 * i + j] = odd(sc >> 3 * j & 7);
  }
  out.outer[0] = static_cast<std::uint8_t>(d & 0xFF);
  out.outer[1] = static_cast<std::uint8_t>(d >> 8);
  for (int j = 0; j < 32; ++j) {
    const auto nibble = static_cast<std::uint32_t>(block[32 + j / 2] >> 4 * (j % 2) & 15);
    out.wide_codes[j] = word((block[j] | (nibble & 7) << 8) + (nibble >> 3) * kShiftedDown);
  }
}

constexpr GgufType kIQ2_XXS = {.codec = "gguf-iq2_xxs",
                               .long_name = "ggml IQ2_XXS",
                               .elements = kElements,
                               .bytes = 66,
                               .scheme = [] { return iq("iq2_xxs", 15, 32); },
                               .split = split_iq2_xxs,
                               .codebook = [] { return gguf_even_signs("iq2_xxs", 8); }};
constexpr GgufType kIQ2_XS = {.codec = "gguf-iq2_xs",
                              .long_name = "ggml IQ2_XS",
                              .elements = kElements,
                              .bytes = 74,
                              .scheme = [] { return iq("iq2_xs", 16, 16); },
                              .split = split_iq2_xs,
                              .codebook = [] { return gguf_even_signs("iq2_xs", 8); }};
constexpr GgufType kIQ2_S = {.codec = "gguf-iq2_s",
                             .long_name = "ggml IQ2_S",
                             .elements = kElements,
                             .bytes = 82,
                             .scheme = [] { return iq("iq2_s", 15, 16); },
                             .split = split_iq2_s,
                             .codebook = [] { return gguf_four_signs("iq2_s", 8); }};
constexpr GgufType kIQ3_XXS = {.codec = "gguf-iq3_xxs",
                               .long_name = "ggml IQ3_XXS",
                               .elements = kElements,
                               .bytes = 98,
                               .scheme = [] { return iq("iq3_xxs", 12, 32); },
                               .split = split_iq3_xxs,
                               .codebook = [] { return gguf_four_signs("iq3_xxs", 4); }};
constexpr GgufType kIQ3_S = {.codec = "gguf-iq3_s",
                             .long_name = "ggml IQ3_S",
                             .elements = kElements,
                             .bytes = 110,
                             .scheme = [] { return iq("iq3_s", 13, 32); },
                             .split = split_iq3_s,
                             .codebook = [] { return gguf_four_signs("iq3_s", 1); }};
constexpr GgufType kIQ1_S = {.codec = "gguf-iq1_s",
                             .long_name = "ggml IQ1_S",
                             .elements = kElements,
                             .bytes = 50,
                             .scheme = [] { return iq("iq1_s", 12, 32); },
                             .split = split_iq1_s,
                             .codebook = [] { return gguf_shifted("iq1_s"); }};
constexpr GgufType kIQ1_M = {.codec = "gguf-iq1_m",
                             .long_name = "ggml IQ1_M",
                             .elements = kElements,
                             .bytes = 56,
                             .scheme = [] { return iq("iq1_s", 12, 16); },
                             .split = split_iq1_m,
                             .codebook = [] { return gguf_shifted("iq1_s"); }};

}  // namespace

extern const Codec k_codec_gguf_iq2_xxs;
const Codec k_codec_gguf_iq2_xxs = gguf_codec<kIQ2_XXS>();
extern const Codec k_codec_gguf_iq2_xs;
const Codec k_codec_gguf_iq2_xs = gguf_codec<kIQ2_XS>();
extern const Codec k_codec_gguf_iq2_s;
const Codec k_codec_gguf_iq2_s = gguf_codec<kIQ2_S>();
extern const Codec k_codec_gguf_iq3_xxs;
const Codec k_codec_gguf_iq3_xxs = gguf_codec<kIQ3_XXS>();
extern const Codec k_codec_gguf_iq3_s;
const Codec k_codec_gguf_iq3_s = gguf_codec<kIQ3_S>();
extern const Codec k_codec_gguf_iq1_s;
const Codec k_codec_gguf_iq1_s = gguf_codec<kIQ1_S>();
extern const Codec k_codec_gguf_iq1_m;
const Codec k_codec_gguf_iq1_m = gguf_codec<kIQ1_M>();

}  // namespace requant
