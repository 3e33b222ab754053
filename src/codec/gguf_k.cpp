// ggml's K types: blocks of 256 elements, of which groups of 16 or 32 have integer scales, and the
// block an F16 `d` over those; with minima an F16 `dmin` over these. Bytes of a block in brackets:
//
//   Q2_K [84]    scales[16], qs[64], d, dmin           d x (sc & 15) x q - dmin x (sc >> 4)
//   Q3_K [110]   hmask[32], qs[64], scales[12], d      d x (sc - 32) x (q - 4 unless in hmask)
//   Q4_K [144]   d, dmin, scales[12], qs[128]          d x sc x q - dmin x m
//   Q5_K [176]   d, dmin, scales[12], qh[32], qs[128]  the same
//   Q6_K [210]   ql[128], qh[64], i8 scales[16], d     d x sc x (q - 32)
//
// Groups are of 32 in Q4_K and Q5_K, else of 16. The order of elements and of the bits of scales is
// in the functions. The neutral form has the minima as integers below 0.

#include <algorithm>

#include "codec/gguf_blocks.h"

namespace requant {
namespace {

constexpr std::int64_t kElements = 256;

Scheme super_block(int bits, std::int64_t group, bool has_minima) {
  Scheme scheme;
  scheme.bits = bits;
  scheme.grid = Grid::group(group);
  scheme.scale_dtype = has_minima ? DType::kU8 : DType::kI8;
  scheme.offset = has_minima ? Offset::kMinimum : Offset::kNone;
  scheme.outer = OuterScale{.dtype = DType::kF16, .grid = Grid::group(kElements)};
  return scheme;
}

// Two bits of each element: halves of 128, fields of 32 consecutive bytes.
int two_bits(const std::uint8_t* qs, int e) {
  return qs[e / 128 * 32 + e % 32] >> e % 128 / 32 * 2 & 3;
}

void split_q2_k(const std::uint8_t* block, const GgufBlock& out) {
  for (int i = 0; i < 16; ++i) {
    out.scales[i] = block[i] & 15;
    out.minima[i] = gguf_byte(-(block[i] >> 4));
  }
  for (int e = 0; e < kElements; ++e) out.codes[e] = gguf_byte(two_bits(block + 16, e));
  std::copy_n(block + 80, 2, out.outer);
  std::copy_n(block + 82, 2, out.outer_minima);
}

void split_q3_k(const std::uint8_t* block, const GgufBlock& out) {
  const std::uint8_t* scales = block + 96;
  for (int i = 0; i < 16; ++i) {
    const int low = i < 8 ? scales[i] & 15 : scales[i - 8] >> 4;
    const int high = scales[8 + i % 4] >> i / 4 * 2 & 3;
    out.scales[i] = gguf_byte((low | high << 4) - 32);
  }
  for (int e = 0; e < kElements; ++e) {
    const bool has_bit = (block[e % 32] >> e / 32 & 1) != 0;
    out.codes[e] = gguf_byte(two_bits(block + 32, e) - (has_bit ? 0 : 4));
  }
  std::copy_n(block + 108, 2, out.outer);
}

// Eight scales and eight minima of six bits in twelve bytes.
void split_six_bits(const std::uint8_t* from, const GgufBlock& out) {
  for (int i = 0; i < 8; ++i) {
    const int scale = i < 4 ? from[i] & 63 : (from[i + 4] & 15) | from[i - 4] >> 6 << 4;
    const int minimum = i < 4 ? from[i + 4] & 63 : from[i + 4] >> 4 | from[i] >> 6 << 4;
    out.scales[i] = gguf_byte(scale);
    out.minima[i] = gguf_byte(-minimum);
  }
}

// The low nibbles of 32 bytes are one group, the high ones the next.
int nibble(const std::uint8_t* qs, int e) {
  return qs[e / 64 * 32 + e % 32] >> e / 32 % 2 * 4 & 15;
}

void split_q4_k(const std::uint8_t* block, const GgufBlock& out) {
  std::copy_n(block, 2, out.outer);
  std::copy_n(block + 2, 2, out.outer_minima);
  split_six_bits(block + 4, out);
  for (int e = 0; e < kElements; ++e) out.codes[e] = gguf_byte(nibble(block + 16, e));
}

void split_q5_k(const std::uint8_t* block, const GgufBlock& out) {
  std::copy_n(block, 2, out.outer);
  std::copy_n(block + 2, 2, out.outer_minima);
  split_six_bits(block + 4, out);
  for (int e = 0; e < kElements; ++e) {
    const int high = block[16 + e % 32] >> e / 32 & 1;
    out.codes[e] = gguf_byte(nibble(block + 48, e) | high << 4);
  }
}

void split_q6_k(const std::uint8_t* block, const GgufBlock& out) {
  for (int e = 0; e < kElements; ++e) {
    const int half = e / 128;
    const int quarter = e % 128 / 32;
    const int low = block[64 * half + quarter % 2 * 32 + e % 32] >> quarter / 2 * 4 & 15;
    const int high = block[128 + 32 * half + e % 32] >> quarter * 2 & 3;
    out.codes[e] = gguf_byte((low | high << 4) - 32);
  }
  std::copy_n(block + 192, 16, out.scales);
  std::copy_n(block + 208, 2, out.outer);
}

void put_two_bits(int code, int e, std::uint8_t* qs) {
  std::uint8_t& to = qs[e / 128 * 32 + e % 32];
  to = gguf_byte(to | (code & 3) << e % 128 / 32 * 2);
}

bool join_q2_k(const GgufParts& in, std::uint8_t* block) {
  int beyond = 0;
  for (int i = 0; i < 16; ++i) {
    const int minimum = static_cast<std::uint8_t>(-in.minima[i]);
    beyond = std::max({beyond, int{in.scales[i]}, minimum});
    block[i] = gguf_byte((in.scales[i] & 15) | minimum << 4);
  }
  std::fill_n(block + 16, 64, std::uint8_t{0});
  for (int e = 0; e < kElements; ++e) put_two_bits(in.codes[e], e, block + 16);
  std::copy_n(in.outer, 2, block + 80);
  std::copy_n(in.outer_minima, 2, block + 82);
  return beyond < 16;
}

bool join_q3_k(const GgufParts& in, std::uint8_t* block) {
  std::fill_n(block, 108, std::uint8_t{0});
  std::uint8_t* scales = block + 96;
  int beyond = 0;
  for (int i = 0; i < 16; ++i) {
    const int scale = static_cast<std::uint8_t>(in.scales[i] + 32);
    beyond = std::max(beyond, scale);
    std::uint8_t& low = scales[i % 8];
    std::uint8_t& high = scales[8 + i % 4];
    low = gguf_byte(low | (scale & 15) << i / 8 * 4);
    high = gguf_byte(high | (scale >> 4 & 3) << i / 4 * 2);
  }
  for (int e = 0; e < kElements; ++e) {
    const int code = static_cast<std::uint8_t>(in.codes[e] + 4);
    put_two_bits(code, e, block + 32);
    block[e % 32] = gguf_byte(block[e % 32] | (code >> 2 & 1) << e / 32);
  }
  std::copy_n(in.outer, 2, block + 108);
  return beyond < 64;
}

bool join_six_bits(const GgufParts& in, std::uint8_t* to) {
  int beyond = 0;
  std::fill_n(to, 12, std::uint8_t{0});
  for (int i = 0; i < 8; ++i) {
    const int scale = in.scales[i];
    const int minimum = static_cast<std::uint8_t>(-in.minima[i]);
    beyond = std::max({beyond, scale, minimum});
    if (i < 4) {
      to[i] = gguf_byte(to[i] | (scale & 63));
      to[i + 4] = gguf_byte(to[i + 4] | (minimum & 63));
    } else {
      to[i + 4] = gguf_byte((scale & 15) | (minimum & 15) << 4);
      to[i - 4] = gguf_byte(to[i - 4] | (scale >> 4 & 3) << 6);
      to[i] = gguf_byte(to[i] | (minimum >> 4 & 3) << 6);
    }
  }
  return beyond < 64;
}

void put_nibble(int code, int e, std::uint8_t* qs) {
  std::uint8_t& to = qs[e / 64 * 32 + e % 32];
  to = gguf_byte(to | (code & 15) << e / 32 % 2 * 4);
}

bool join_q4_k(const GgufParts& in, std::uint8_t* block) {
  std::copy_n(in.outer, 2, block);
  std::copy_n(in.outer_minima, 2, block + 2);
  std::fill_n(block + 16, 128, std::uint8_t{0});
  for (int e = 0; e < kElements; ++e) put_nibble(in.codes[e], e, block + 16);
  return join_six_bits(in, block + 4);
}

bool join_q5_k(const GgufParts& in, std::uint8_t* block) {
  std::copy_n(in.outer, 2, block);
  std::copy_n(in.outer_minima, 2, block + 2);
  std::fill_n(block + 16, 160, std::uint8_t{0});
  for (int e = 0; e < kElements; ++e) {
    put_nibble(in.codes[e], e, block + 48);
    std::uint8_t& high = block[16 + e % 32];
    high = gguf_byte(high | (in.codes[e] >> 4 & 1) << e / 32);
  }
  return join_six_bits(in, block + 4);
}

bool join_q6_k(const GgufParts& in, std::uint8_t* block) {
  std::fill_n(block, 192, std::uint8_t{0});
  for (int e = 0; e < kElements; ++e) {
    const int code = static_cast<std::uint8_t>(in.codes[e] + 32);
    const int half = e / 128;
    const int quarter = e % 128 / 32;
    std::uint8_t& low = block[64 * half + quarter % 2 * 32 + e % 32];
    std::uint8_t& high = block[128 + 32 * half + e % 32];
    low = gguf_byte(low | (code & 15) << quarter / 2 * 4);
    high = gguf_byte(high | (code >> 4 & 3) << quarter * 2);
  }
  std::copy_n(in.scales, 16, block + 192);
  std::copy_n(in.outer, 2, block + 208);
  return true;
}

constexpr GgufType kQ2_K = {.codec = "gguf-q2_k",
                            .long_name = "ggml Q2_K",
                            .elements = kElements,
                            .bytes = 84,
                            .scheme = [] { return super_block(2, 16, true); },
                            .split = split_q2_k,
                            .join = join_q2_k};
constexpr GgufType kQ3_K = {.codec = "gguf-q3_k",
                            .long_name = "ggml Q3_K",
                            .elements = kElements,
                            .bytes = 110,
                            .scheme = [] { return super_block(3, 16, false); },
                            .split = split_q3_k,
                            .join = join_q3_k};
constexpr GgufType kQ4_K = {.codec = "gguf-q4_k",
                            .long_name = "ggml Q4_K",
                            .elements = kElements,
                            .bytes = 144,
                            .scheme = [] { return super_block(4, 32, true); },
                            .split = split_q4_k,
                            .join = join_q4_k};
constexpr GgufType kQ5_K = {.codec = "gguf-q5_k",
                            .long_name = "ggml Q5_K",
                            .elements = kElements,
                            .bytes = 176,
                            .scheme = [] { return super_block(5, 32, true); },
                            .split = split_q5_k,
                            .join = join_q5_k};
constexpr GgufType kQ6_K = {.codec = "gguf-q6_k",
                            .long_name = "ggml Q6_K",
                            .elements = kElements,
                            .bytes = 210,
                            .scheme = [] { return super_block(6, 16, false); },
                            .split = split_q6_k,
                            .join = join_q6_k};

}  // namespace

extern const Codec k_codec_gguf_q2_k;
const Codec k_codec_gguf_q2_k = gguf_codec<kQ2_K>();
extern const Codec k_codec_gguf_q3_k;
const Codec k_codec_gguf_q3_k = gguf_codec<kQ3_K>();
extern const Codec k_codec_gguf_q4_k;
const Codec k_codec_gguf_q4_k = gguf_codec<kQ4_K>();
extern const Codec k_codec_gguf_q5_k;
const Codec k_codec_gguf_q5_k = gguf_codec<kQ5_K>();
extern const Codec k_codec_gguf_q6_k;
const Codec k_codec_gguf_q6_k = gguf_codec<kQ6_K>();

}  // namespace requant
