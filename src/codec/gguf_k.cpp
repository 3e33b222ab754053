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

// The loops below run over bytes that lie side by side, which compilers turn into vector code.
constexpr int kRun = 32;  // elements whose bits are in bytes side by side

// Two bits of each element: halves of 128, fields of 32 consecutive bytes.
void split_two_bits(const std::uint8_t* qs, std::uint8_t* codes) {
  for (int run = 0; run < 8; ++run) {
    const std::uint8_t* from = qs + run / 4 * kRun;
    const int shift = run % 4 * 2;
    for (int l = 0; l < kRun; ++l) codes[run * kRun + l] = gguf_byte(from[l] >> shift & 3);
  }
}

// Of the codes and what is added.
void join_two_bits(const std::uint8_t* codes, int added, std::uint8_t* qs) {
  for (int half = 0; half < 2; ++half) {
    const std::uint8_t* from = codes + half * 4 * kRun;
    for (int l = 0; l < kRun; ++l) {
      const auto field = [&](int run) { return ((from[run * kRun + l] + added) & 3) << run * 2; };
      qs[half * kRun + l] = gguf_byte(field(0) | field(1) | field(2) | field(3));
    }
  }
}

// Bit `bit` of each code in one bit for each run of 32, the first the lowest.
void join_bits(const std::uint8_t* codes, int added, int bit, std::uint8_t* bits) {
  for (int l = 0; l < kRun; ++l) {
    int all = 0;
    for (int run = 0; run < 8; ++run) all |= (((codes[run * kRun + l] + added) >> bit) & 1) << run;
    bits[l] = gguf_byte(all);
  }
}

// The low nibbles of 32 bytes are one group, the high ones the next.
void split_nibbles(const std::uint8_t* qs, std::uint8_t* codes) {
  for (int pair = 0; pair < 4; ++pair) {
    split_gguf_nibbles(qs + pair * kRun, kRun, 0, codes + pair * 2 * kRun);
  }
}

// Of the low four bits of codes.
void join_nibbles(const std::uint8_t* codes, std::uint8_t* qs) {
  for (int pair = 0; pair < 4; ++pair) {
    const std::uint8_t* from = codes + pair * 2 * kRun;
    for (int l = 0; l < kRun; ++l) {
      qs[pair * kRun + l] = gguf_byte((from[l] & 15) | from[kRun + l] << 4);
    }
  }
}

void split_q2_k(const std::uint8_t* block, const GgufBlock& out) {
  for (int i = 0; i < 16; ++i) {
    out.scales[i] = block[i] & 15;
    out.minima[i] = gguf_byte(-(block[i] >> 4));
  }
  split_two_bits(block + 16, out.codes);
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
  split_two_bits(block + 32, out.codes);
  for (int run = 0; run < 8; ++run) {
    for (int l = 0; l < kRun; ++l) {
      std::uint8_t& code = out.codes[run * kRun + l];
      code = gguf_byte(code - 4 + (block[l] >> run & 1) * 4);
    }
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

void split_q4_k(const std::uint8_t* block, const GgufBlock& out) {
  std::copy_n(block, 2, out.outer);
  std::copy_n(block + 2, 2, out.outer_minima);
  split_six_bits(block + 4, out);
  split_nibbles(block + 16, out.codes);
}

void split_q5_k(const std::uint8_t* block, const GgufBlock& out) {
  std::copy_n(block, 2, out.outer);
  std::copy_n(block + 2, 2, out.outer_minima);
  split_six_bits(block + 4, out);
  split_nibbles(block + 48, out.codes);
  for (int run = 0; run < 8; ++run) {
    for (int l = 0; l < kRun; ++l) {
      std::uint8_t& code = out.codes[run * kRun + l];
      code = gguf_byte(code | (block[16 + l] >> run & 1) << 4);
    }
  }
}

void split_q6_k(const std::uint8_t* block, const GgufBlock& out) {
  for (int run = 0; run < 8; ++run) {
    const int quarter = run % 4;
    const std::uint8_t* low = block + run / 4 * 64 + quarter % 2 * kRun;
    const std::uint8_t* high = block + 128 + run / 4 * kRun;
    for (int l = 0; l < kRun; ++l) {
      const int code = (low[l] >> quarter / 2 * 4 & 15) | (high[l] >> quarter * 2 & 3) << 4;
      out.codes[run * kRun + l] = gguf_byte(code - 32);
    }
  }
  std::copy_n(block + 192, 16, out.scales);
  std::copy_n(block + 208, 2, out.outer);
}

bool join_q2_k(const GgufParts& in, std::uint8_t* block) {
  int beyond = 0;
  for (int i = 0; i < 16; ++i) {
    const int minimum = static_cast<std::uint8_t>(-in.minima[i]);
    beyond = std::max({beyond, int{in.scales[i]}, minimum});
    block[i] = gguf_byte((in.scales[i] & 15) | minimum << 4);
  }
  join_two_bits(in.codes, 0, block + 16);
  std::copy_n(in.outer, 2, block + 80);
  std::copy_n(in.outer_minima, 2, block + 82);
  return beyond < 16;
}

bool join_q3_k(const GgufParts& in, std::uint8_t* block) {
  std::uint8_t* scales = block + 96;
  std::fill_n(scales, 12, std::uint8_t{0});
  int beyond = 0;
  for (int i = 0; i < 16; ++i) {
    const int scale = static_cast<std::uint8_t>(in.scales[i] + 32);
    beyond = std::max(beyond, scale);
    std::uint8_t& low = scales[i % 8];
    std::uint8_t& high = scales[8 + i % 4];
    low = gguf_byte(low | (scale & 15) << i / 8 * 4);
    high = gguf_byte(high | (scale >> 4 & 3) << i / 4 * 2);
  }
  join_two_bits(in.codes, 4, block + 32);
  join_bits(in.codes, 4, 2, block);
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

bool join_q4_k(const GgufParts& in, std::uint8_t* block) {
  std::copy_n(in.outer, 2, block);
  std::copy_n(in.outer_minima, 2, block + 2);
  join_nibbles(in.codes, block + 16);
  return join_six_bits(in, block + 4);
}

bool join_q5_k(const GgufParts& in, std::uint8_t* block) {
  std::copy_n(in.outer, 2, block);
  std::copy_n(in.outer_minima, 2, block + 2);
  join_nibbles(in.codes, block + 48);
  join_bits(in.codes, 0, 4, block + 16);
  return join_six_bits(in, block + 4);
}

bool join_q6_k(const GgufParts& in, std::uint8_t* block) {
  for (int half = 0; half < 2; ++half) {
    const std::uint8_t* from = in.codes + half * 4 * kRun;
    std::uint8_t* low = block + half * 64;
    std::uint8_t* high = block + 128 + half * kRun;
    for (int l = 0; l < kRun; ++l) {
      const auto code = [&](int quarter) { return from[quarter * kRun + l] + 32; };
      const auto top = [&](int quarter) { return (code(quarter) >> 4 & 3) << quarter * 2; };
      low[l] = gguf_byte((code(0) & 15) | (code(2) & 15) << 4);
      low[kRun + l] = gguf_byte((code(1) & 15) | (code(3) & 15) << 4);
      high[l] = gguf_byte(top(0) | top(1) | top(2) | top(3));
    }
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
