// ggml's types with a scale, or a scale and a minimum, for each block. `d` and `m` are F16, nibbles
// hold the first half of a block low and the second high; bytes of a block in brackets:
//
//   Q4_0   32 [18]   d, qs[16]                  (q - 8) x d
//   Q4_1   32 [20]   d, m, qs[16]               q x d + m
//   Q5_0   32 [22]   d, u32 qh, qs[16]          (q - 16) x d
//   Q5_1   32 [24]   d, m, u32 qh, qs[16]       q x d + m
//   Q8_0   32 [34]   d, i8[32]                  q x d
//   Q8_K  256 [292]  f32 d, i8[256], i16[16]    q x d
//   Q1_0  128 [18]   d, bits[16]                d for 1, -d for 0, the lowest bit first
//   Q2_0   64 [18]   d, fields[16]              (q - 1) x d, two bits each, the lowest first
//   TQ1_0 256 [54]   qs[48], qh[4], d           (q - 1) x d; five trits a byte, four in qh
//   TQ2_0 256 [66]   qs[64], d                  (q - 1) x d
//
// The fifth bit of element j is bit j of qh. Digit t of a byte x of TQ1_0 is ((x x 3^t mod 256) x
// 3) >> 8. Fields t of 32 bytes of TQ2_0 are elements 32 t to 32 t + 31.

#include <algorithm>

#include "codec/gguf_blocks.h"

namespace requant {
namespace {

Scheme grouped(int bits, std::int64_t group, Offset offset = Offset::kNone) {
  Scheme scheme;
  scheme.bits = bits;
  scheme.grid = Grid::group(group);
  scheme.scale_dtype = DType::kF16;
  scheme.offset = offset;
  return scheme;
}

void split_five_bits(const std::uint8_t* qh, const std::uint8_t* qs, int bias,
                     std::uint8_t* codes) {
  split_gguf_nibbles(qs, 16, bias, codes);
  const std::uint32_t high = gguf_u32(qh);
  for (int j = 0; j < 32; ++j)
    codes[j] = gguf_byte(codes[j] + static_cast<int>(high >> j & 1) * 16);
}

bool join_five_bits(const std::uint8_t* codes, int bias, std::uint8_t* qh, std::uint8_t* qs) {
  std::uint32_t high = 0;
  int beyond = 0;
  std::uint8_t low[32];
  for (int j = 0; j < 32; ++j) {
    const int code = static_cast<std::uint8_t>(codes[j] + bias);
    beyond |= code;
    low[j] = gguf_byte(code & 15);
    high |= static_cast<std::uint32_t>(code >> 4 & 1) << j;
  }
  for (int i = 0; i < 4; ++i) qh[i] = static_cast<std::uint8_t>(high >> 8 * i);
  (void)join_gguf_nibbles(low, 16, 0, qs);
  return beyond < 32;
}

constexpr GgufType kQ4_0 = {.codec = "gguf-q4_0",
                            .long_name = "ggml Q4_0",
                            .elements = 32,
                            .bytes = 18,
                            .scheme = [] { return grouped(4, 32); },
                            .split =
                                [](const std::uint8_t* block, const GgufBlock& out) {
                                  std::copy_n(block, 2, out.scales);
                                  split_gguf_nibbles(block + 2, 16, 8, out.codes);
                                },
                            .join =
                                [](const GgufParts& in, std::uint8_t* block) {
                                  std::copy_n(in.scales, 2, block);
                                  return join_gguf_nibbles(in.codes, 16, 8, block + 2);
                                }};

constexpr GgufType kQ4_1 = {.codec = "gguf-q4_1",
                            .long_name = "ggml Q4_1",
                            .elements = 32,
                            .bytes = 20,
                            .scheme = [] { return grouped(4, 32, Offset::kMinimum); },
                            .split =
                                [](const std::uint8_t* block, const GgufBlock& out) {
                                  std::copy_n(block, 2, out.scales);
                                  std::copy_n(block + 2, 2, out.minima);
                                  split_gguf_nibbles(block + 4, 16, 0, out.codes);
                                },
                            .join =
                                [](const GgufParts& in, std::uint8_t* block) {
                                  std::copy_n(in.scales, 2, block);
                                  std::copy_n(in.minima, 2, block + 2);
                                  return join_gguf_nibbles(in.codes, 16, 0, block + 4);
                                }};

constexpr GgufType kQ5_0 = {.codec = "gguf-q5_0",
                            .long_name = "ggml Q5_0",
                            .elements = 32,
                            .bytes = 22,
                            .scheme = [] { return grouped(5, 32); },
                            .split =
                                [](const std::uint8_t* block, const GgufBlock& out) {
                                  std::copy_n(block, 2, out.scales);
                                  split_five_bits(block + 2, block + 6, 16, out.codes);
                                },
                            .join =
                                [](const GgufParts& in, std::uint8_t* block) {
                                  std::copy_n(in.scales, 2, block);
                                  return join_five_bits(in.codes, 16, block + 2, block + 6);
                                }};

constexpr GgufType kQ5_1 = {.codec = "gguf-q5_1",
                            .long_name = "ggml Q5_1",
                            .elements = 32,
                            .bytes = 24,
                            .scheme = [] { return grouped(5, 32, Offset::kMinimum); },
                            .split =
                                [](const std::uint8_t* block, const GgufBlock& out) {
                                  std::copy_n(block, 2, out.scales);
                                  std::copy_n(block + 2, 2, out.minima);
                                  split_five_bits(block + 4, block + 8, 0, out.codes);
                                },
                            .join =
                                [](const GgufParts& in, std::uint8_t* block) {
                                  std::copy_n(in.scales, 2, block);
                                  std::copy_n(in.minima, 2, block + 2);
                                  return join_five_bits(in.codes, 0, block + 4, block + 8);
                                }};

constexpr GgufType kQ8_0 = {.codec = "gguf-q8_0",
                            .long_name = "ggml Q8_0",
                            .elements = 32,
                            .bytes = 34,
                            .scheme = [] { return grouped(8, 32); },
                            .split =
                                [](const std::uint8_t* block, const GgufBlock& out) {
                                  std::copy_n(block, 2, out.scales);
                                  std::copy_n(block + 2, 32, out.codes);
                                },
                            .join =
                                [](const GgufParts& in, std::uint8_t* block) {
                                  std::copy_n(in.scales, 2, block);
                                  std::copy_n(in.codes, 32, block + 2);
                                  return true;
                                }};

Scheme q8_k() {
  Scheme scheme = grouped(8, 256);
  scheme.scale_dtype = DType::kF32;
  return scheme;
}

constexpr GgufType kQ8_K = {.codec = "gguf-q8_k",
                            .long_name = "ggml Q8_K",
                            .elements = 256,
                            .bytes = 292,
                            .scheme = q8_k,
                            .split = [](const std::uint8_t* block, const GgufBlock& out) {
                              std::copy_n(block, 4, out.scales);
                              std::copy_n(block + 4, 256, out.codes);
                            }};

Scheme q1_0() {
  Scheme scheme = grouped(1, 128);
  scheme.element = Element::kCodebook;
  scheme.codebook = "sign";
  return scheme;
}

Result<Tensor> signs() {
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kF32, {2}));
  out.as<float>()[0] = -1;
  out.as<float>()[1] = 1;
  return std::move(out).finish();
}

constexpr GgufType kQ1_0 = {.codec = "gguf-q1_0",
                            .long_name = "ggml Q1_0",
                            .elements = 128,
                            .bytes = 18,
                            .scheme = q1_0,
                            .split =
                                [](const std::uint8_t* block, const GgufBlock& out) {
                                  std::copy_n(block, 2, out.scales);
                                  for (int j = 0; j < 128; ++j) {
                                    out.codes[j] = gguf_byte(block[2 + j / 8] >> j % 8 & 1);
                                  }
                                },
                            .codebook = signs};

// Three bits: a field of two can say 3, which is 2.
constexpr GgufType kQ2_0 = {.codec = "gguf-q2_0",
                            .long_name = "ggml Q2_0",
                            .elements = 64,
                            .bytes = 18,
                            .scheme = [] { return grouped(3, 64); },
                            .split =
                                [](const std::uint8_t* block, const GgufBlock& out) {
                                  std::copy_n(block, 2, out.scales);
                                  for (int j = 0; j < 64; ++j) {
                                    out.codes[j] =
                                        gguf_byte((block[2 + j / 4] >> 2 * (j % 4) & 3) - 1);
                                  }
                                }};

constexpr int kPowersOf3[] = {1, 3, 9, 27, 81};

// Digit t of `count` bytes are consecutive elements.
void split_trits(const std::uint8_t* from, int count, int digits, std::uint8_t* codes) {
  for (int t = 0; t < digits; ++t) {
    for (int j = 0; j < count; ++j) {
      const int rest = from[j] * kPowersOf3[t] & 0xFF;
      *codes++ = gguf_byte((rest * 3 >> 8) - 1);
    }
  }
}

// The byte of which 3^t times is t digits further, the first digit the most significant of five:
// the number over 3^5 rounded up to a fraction of 256.
bool join_trits(const std::uint8_t*& codes, int count, int digits, std::uint8_t* to) {
  int beyond = 0;
  for (int j = 0; j < count; ++j) {
    int number = 0;
    for (int t = 0; t < 5; ++t) {
      const int digit = t < digits ? static_cast<std::uint8_t>(codes[t * count + j] + 1) : 0;
      beyond = std::max(beyond, digit);
      number = number * 3 + digit;
    }
    to[j] = gguf_byte((number * 256 + 242) / 243);
  }
  codes += std::ptrdiff_t{count} * digits;
  return beyond < 3;
}

bool join_tq1_0(const GgufParts& in, std::uint8_t* block) {
  const std::uint8_t* codes = in.codes;
  std::copy_n(in.scales, 2, block + 52);
  const bool fits = join_trits(codes, 32, 5, block);
  return join_trits(codes, 16, 5, block + 32) && join_trits(codes, 4, 4, block + 48) && fits;
}

bool join_tq2_0(const GgufParts& in, std::uint8_t* block) {
  std::copy_n(in.scales, 2, block + 64);
  std::fill_n(block, 64, std::uint8_t{0});
  int beyond = 0;
  for (int e = 0; e < 256; ++e) {
    const int field = static_cast<std::uint8_t>(in.codes[e] + 1);
    beyond |= field;
    std::uint8_t& to = block[e / 128 * 32 + e % 32];
    to = gguf_byte(to | (field & 3) << e % 128 / 32 * 2);
  }
  return beyond < 4;
}

constexpr GgufType kTQ1_0 = {.codec = "gguf-tq1_0",
                             .long_name = "ggml TQ1_0",
                             .elements = 256,
                             .bytes = 54,
                             .scheme = [] { return grouped(2, 256); },
                             .split =
                                 [](const std::uint8_t* block, const GgufBlock& out) {
                                   split_trits(block, 32, 5, out.codes);
                                   split_trits(block + 32, 16, 5, out.codes + 160);
                                   split_trits(block + 48, 4, 4, out.codes + 240);
                                   std::copy_n(block + 52, 2, out.scales);
                                 },
                             .join = join_tq1_0};

constexpr GgufType kTQ2_0 = {.codec = "gguf-tq2_0",
                             .long_name = "ggml TQ2_0",
                             .elements = 256,
                             .bytes = 66,
                             .scheme = [] { return grouped(3, 256); },
                             .split =
                                 [](const std::uint8_t* block, const GgufBlock& out) {
                                   for (int e = 0; e < 256; ++e) {
                                     const int field =
                                         block[e / 128 * 32 + e % 32] >> e % 128 / 32 * 2;
                                     out.codes[e] = gguf_byte((field & 3) - 1);
                                   }
                                   std::copy_n(block + 64, 2, out.scales);
                                 },
                             .join = join_tq2_0};

}  // namespace

extern const Codec k_codec_gguf_q4_0;
const Codec k_codec_gguf_q4_0 = gguf_codec<kQ4_0>();
extern const Codec k_codec_gguf_q4_1;
const Codec k_codec_gguf_q4_1 = gguf_codec<kQ4_1>();
extern const Codec k_codec_gguf_q5_0;
const Codec k_codec_gguf_q5_0 = gguf_codec<kQ5_0>();
extern const Codec k_codec_gguf_q5_1;
const Codec k_codec_gguf_q5_1 = gguf_codec<kQ5_1>();
extern const Codec k_codec_gguf_q8_0;
const Codec k_codec_gguf_q8_0 = gguf_codec<kQ8_0>();
extern const Codec k_codec_gguf_q8_k;
const Codec k_codec_gguf_q8_k = gguf_codec<kQ8_K>();
extern const Codec k_codec_gguf_q1_0;
const Codec k_codec_gguf_q1_0 = gguf_codec<kQ1_0>();
extern const Codec k_codec_gguf_q2_0;
const Codec k_codec_gguf_q2_0 = gguf_codec<kQ2_0>();
extern const Codec k_codec_gguf_tq1_0;
const Codec k_codec_gguf_tq1_0 = gguf_codec<kTQ1_0>();
extern const Codec k_codec_gguf_tq2_0;
const Codec k_codec_gguf_tq2_0 = gguf_codec<kTQ2_0>();

}  // namespace requant
