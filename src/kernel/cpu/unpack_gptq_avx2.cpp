// Compiled with -mavx2: see kernel/CMakeLists.txt for what must not be included.
#include <immintrin.h>

#include "kernel/unpack_gptq.h"

namespace requant::kernel {
namespace {

// A tile is 8 words of 8 outputs. For 4 bits its codes fill one cache line of each output; a pass
// over kOutputs outputs keeps as many lines open for writing.
constexpr std::int64_t kTile = 8;
constexpr std::int64_t kOutputs = 128;

bool supports(const UnpackGptq& p) {
  return (p.bits == 4 || p.bits == 8) && p.outputs >= kTile && p.inputs * p.bits >= kTile * 32 &&
         __builtin_cpu_supports("avx2") != 0;
}

// Transposes 8 x 8 words.
void transpose(__m256i rows[8]) {
  __m256i pairs[8];
  for (int i = 0; i < 4; ++i) {
    pairs[2 * i] = _mm256_unpacklo_epi32(rows[2 * i], rows[2 * i + 1]);
    pairs[2 * i + 1] = _mm256_unpackhi_epi32(rows[2 * i], rows[2 * i + 1]);
  }
  __m256i quads[8];
  for (int i = 0; i < 2; ++i) {
    for (int j = 0; j < 2; ++j) {
      quads[4 * i + 2 * j] = _mm256_unpacklo_epi64(pairs[4 * i + j], pairs[4 * i + 2 + j]);
      quads[4 * i + 2 * j + 1] = _mm256_unpackhi_epi64(pairs[4 * i + j], pairs[4 * i + 2 + j]);
    }
  }
  for (int i = 0; i < 4; ++i) {
    rows[i] = _mm256_permute2x128_si256(quads[i], quads[i + 4], 0x20);
    rows[i + 4] = _mm256_permute2x128_si256(quads[i], quads[i + 4], 0x31);
  }
}

// 32 bytes of two codes each -> 64 codes minus 8.
void store_nibbles(__m256i bytes, std::int8_t* to) {
  const __m256i mask = _mm256_set1_epi8(0xF);
  const __m256i half = _mm256_set1_epi8(8);
  const __m256i low = _mm256_sub_epi8(_mm256_and_si256(bytes, mask), half);
  const __m256i high = _mm256_sub_epi8(_mm256_and_si256(_mm256_srli_epi16(bytes, 4), mask), half);
  const __m256i even = _mm256_unpacklo_epi8(low, high);
  const __m256i odd = _mm256_unpackhi_epi8(low, high);
  auto* out = reinterpret_cast<__m256i*>(to);
  _mm256_storeu_si256(out, _mm256_permute2x128_si256(even, odd, 0x20));
  _mm256_storeu_si256(out + 1, _mm256_permute2x128_si256(even, odd, 0x31));
}

// 8 words of each of 8 outputs, from (row of words, output) on.
void unpack_tile(const UnpackGptq& p, std::int64_t row, std::int64_t output) {
  __m256i words[8];
  for (int i = 0; i < 8; ++i) {
    const std::uint8_t* from = p.words + ((row + i) * p.outputs + output) * 4;
    words[i] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  }
  transpose(words);
  std::int8_t* to = p.codes + output * p.inputs + row * (32 / p.bits);
  for (int i = 0; i < 8; ++i, to += p.inputs) {
    if (p.bits == 4) {
      store_nibbles(words[i], to);
    } else {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to),
                          _mm256_xor_si256(words[i], _mm256_set1_epi8(-128)));
    }
  }
}

// What the tiles leave over; `outputs` and `rows` of words are done.
void unpack_rest(const UnpackGptq& p, std::int64_t rows, std::int64_t outputs) {
  const int mask = (1 << p.bits) - 1;
  const int half = 1 << (p.bits - 1);
  const std::int64_t in_word = 32 / p.bits;
  const std::int64_t all = p.inputs / in_word;
  for (std::int64_t row = 0; row < all; ++row) {
    for (std::int64_t output = row < rows ? outputs : 0; output < p.outputs; ++output) {
      std::uint32_t word = 0;
      __builtin_memcpy(&word, p.words + (row * p.outputs + output) * 4, 4);
      std::int8_t* to = p.codes + output * p.inputs + row * in_word;
      for (std::int64_t i = 0; i < in_word; ++i, word >>= p.bits) {
        to[i] = static_cast<std::int8_t>(static_cast<int>(word & 0xFF & mask) - half);
      }
    }
  }
}

void run(const UnpackGptq& p) {
  const std::int64_t rows = p.inputs * p.bits / 32 / kTile * kTile;
  const std::int64_t outputs = p.outputs / kTile * kTile;
  for (std::int64_t first = 0; first < outputs; first += kOutputs) {
    const std::int64_t end = first + kOutputs < outputs ? first + kOutputs : outputs;
    for (std::int64_t row = 0; row < rows; row += kTile) {
      for (std::int64_t output = first; output < end; output += kTile) unpack_tile(p, row, output);
    }
  }
  unpack_rest(p, rows, outputs);
}

}  // namespace

extern const UnpackGptqKernel k_unpack_gptq_avx2;
const UnpackGptqKernel k_unpack_gptq_avx2 = {"avx2", supports, run};

}  // namespace requant::kernel
