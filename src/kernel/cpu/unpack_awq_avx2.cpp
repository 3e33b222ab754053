// Compiled with -mavx2: see kernel/CMakeLists.txt for what must not be included.
#include <immintrin.h>

#include "kernel/cpu/transpose_avx2.h"
#include "kernel/unpack_awq.h"

namespace requant::kernel {
namespace {

// A block is a cache line of words for each of as many inputs as a cache line of codes has: every
// line is read once and written once, also where rows lie a power of two apart.
constexpr std::int64_t kInputs = 64;
constexpr std::int64_t kStripe = 32;  // outputs of four words, the width of a transposition
constexpr std::int64_t kStripes = 4;
constexpr std::int64_t kStripeBytes = 16;
constexpr std::int64_t kLine = kStripes * kStripeBytes;

bool supports(const UnpackAwq& p) {
  return p.inputs >= kInputs && p.outputs >= kStripe && __builtin_cpu_supports("avx2") != 0;
}

// The 16 outputs whose nibbles lie in the low (or high) halves of a stripe's bytes, for 32 inputs:
// 0 to 15 in the low halves of the registers, 16 to 31 in the high ones.
void read_half(const std::uint8_t* words, bool high, __m256i rows[16]) {
  for (int i = 0; i < 16; ++i) {
    const auto* low_inputs = reinterpret_cast<const __m128i*>(words + i * kLine);
    const auto* high_inputs = reinterpret_cast<const __m128i*>(words + (i + 16) * kLine);
    const __m256i bytes = _mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_load_si128(low_inputs)), _mm_load_si128(high_inputs), 1);
    const __m256i shifted = high ? _mm256_srli_epi16(bytes, 4) : bytes;
    const __m256i nibbles = _mm256_and_si256(shifted, _mm256_set1_epi8(0xF));
    rows[i] = _mm256_sub_epi8(nibbles, _mm256_set1_epi8(8));
  }
  transpose(rows);
}

void unpack_stripe(const std::uint8_t* words, bool high, const UnpackAwq& p, std::int8_t* codes) {
  __m256i first[16];
  __m256i second[16];
  read_half(words, high, first);
  read_half(words + 32 * kLine, high, second);
  for (int byte = 0; byte < 16; ++byte) {
    const int nibble = 2 * byte + (high ? 1 : 0);
    const std::int64_t output = nibble / 8 * 8 + kAwqOrder[nibble % 8];
    auto* to = reinterpret_cast<__m256i*>(codes + output * p.inputs);
    _mm256_storeu_si256(to, first[byte]);
    _mm256_storeu_si256(to + 1, second[byte]);
  }
}

// 64 inputs and `stripes` x 32 outputs, from (output, input) on.
void unpack_block(const UnpackAwq& p, std::int64_t input, std::int64_t output, int stripes) {
  alignas(64) std::uint8_t words[kInputs * kLine];
  for (std::int64_t i = 0; i < kInputs; ++i) {
    const std::uint8_t* from = p.words + (input + i) * (p.outputs / 2) + output / 2;
    __builtin_memcpy(words + i * kLine, from, static_cast<unsigned>(stripes) * kStripeBytes);
  }
  for (int stripe = 0; stripe < stripes; ++stripe) {
    std::int8_t* codes = p.codes + (output + stripe * kStripe) * p.inputs + input;
    unpack_stripe(words + stripe * kStripeBytes, false, p, codes);
    unpack_stripe(words + stripe * kStripeBytes, true, p, codes);
  }
}

// What the blocks leave over.
void unpack_rest(const UnpackAwq& p, std::int64_t first_input, std::int64_t first_output) {
  for (std::int64_t input = 0; input < p.inputs; ++input) {
    const std::uint8_t* row = p.words + input * (p.outputs / 2);
    const std::int64_t from = input < first_input ? first_output : 0;
    for (std::int64_t nibble = from; nibble < p.outputs; ++nibble) {
      const std::int64_t output = nibble / 8 * 8 + kAwqOrder[nibble % 8];
      const int code = (row[nibble / 2] >> (4 * (nibble % 2))) & 0xF;
      p.codes[output * p.inputs + input] = static_cast<std::int8_t>(code - 8);
    }
  }
}

void run(const UnpackAwq& p) {
  const std::int64_t inputs = p.inputs / kInputs * kInputs;
  const std::int64_t outputs = p.outputs / kStripe * kStripe;
  for (std::int64_t output = 0; output < outputs; output += kStripes * kStripe) {
    const std::int64_t left = (outputs - output) / kStripe;
    const int stripes = static_cast<int>(left < kStripes ? left : kStripes);
    for (std::int64_t input = 0; input < inputs; input += kInputs) {
      unpack_block(p, input, output, stripes);
    }
  }
  unpack_rest(p, inputs, outputs);
}

}  // namespace

extern const UnpackAwqKernel k_unpack_awq_avx2;
const UnpackAwqKernel k_unpack_awq_avx2 = {"avx2", supports, run};

}  // namespace requant::kernel
