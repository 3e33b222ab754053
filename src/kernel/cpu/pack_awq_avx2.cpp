// Compiled with -mavx2: see kernel/CMakeLists.txt for what must not be included.
#include <immintrin.h>

#include "kernel/cpu/transpose_avx2.h"
#include "kernel/pack_awq.h"
#include "kernel/unpack_awq.h"

namespace requant::kernel {
namespace {

// The blocks of unpack_awq_avx2, the other way: cache lines of codes of each output become a line
// of words of each input. A few lines of a row together, so that the memory's own read-ahead
// follows.
constexpr std::int64_t kInputs = 32;
constexpr std::int64_t kMaxInputs = 256;
constexpr std::int64_t kStripe = 32;  // outputs of four words, the width of a transposition
constexpr std::int64_t kStripes = 4;
constexpr std::int64_t kStripeBytes = 16;
constexpr std::int64_t kLine = kStripes * kStripeBytes;

bool supports(const PackAwq& p) {
  return p.inputs >= kInputs && p.outputs >= kStripe && __builtin_cpu_supports("avx2") != 0;
}

__m256i load_codes(const std::int8_t* codes, int nibble, std::int64_t inputs) {
  const std::int64_t output = nibble / 8 * 8 + kAwqOrder[nibble % 8];
  const auto* from = reinterpret_cast<const __m256i*>(codes + output * inputs);
  __builtin_prefetch(codes + output * inputs + 64);
  return _mm256_add_epi8(_mm256_loadu_si256(from), _mm256_set1_epi8(8));
}

// 32 outputs of 32 inputs -> 16 bytes in each of 32 lines.
void pack_stripe(const std::int8_t* codes, std::int64_t inputs, std::uint8_t* words) {
  __m256i rows[16];
  for (int byte = 0; byte < 16; ++byte) {
    const __m256i low = load_codes(codes, 2 * byte, inputs);
    const __m256i high = load_codes(codes, 2 * byte + 1, inputs);
    rows[byte] = _mm256_or_si256(low, _mm256_slli_epi16(high, 4));
  }
  transpose(rows);
  for (int i = 0; i < 16; ++i) {
    auto* low = reinterpret_cast<__m128i*>(words + i * kLine);
    auto* high = reinterpret_cast<__m128i*>(words + (i + 16) * kLine);
    _mm_store_si128(low, _mm256_castsi256_si128(rows[i]));
    _mm_store_si128(high, _mm256_extracti128_si256(rows[i], 1));
  }
}

// `inputs` (whole stripes of 32) and `stripes` x 32 outputs, from (output, input) on.
void pack_block(const PackAwq& p, std::int64_t input, std::int64_t inputs, std::int64_t output,
                int stripes) {
  alignas(64) std::uint8_t words[kMaxInputs * kLine];
  for (int stripe = 0; stripe < stripes; ++stripe) {
    const std::int8_t* codes = p.codes + (output + stripe * kStripe) * p.inputs + input;
    for (std::int64_t i = 0; i < inputs; i += kInputs) {
      pack_stripe(codes + i, p.inputs, words + stripe * kStripeBytes + i * kLine);
    }
  }
  for (std::int64_t i = 0; i < inputs; ++i) {
    std::uint8_t* to = p.words + (input + i) * (p.outputs / 2) + output / 2;
    __builtin_memcpy(to, words + i * kLine, static_cast<unsigned>(stripes) * kStripeBytes);
  }
}

// What the blocks leave over.
void pack_rest(const PackAwq& p, std::int64_t first_input, std::int64_t first_output) {
  const std::int64_t row_bytes = p.outputs / 2;
  for (std::int64_t input = 0; input < p.inputs; ++input) {
    const std::int64_t from = input < first_input ? first_output / 2 : 0;
    for (std::int64_t byte = from; byte < row_bytes; ++byte) {
      const std::int64_t first = byte / 4 * 8;
      const int low = p.codes[(first + kAwqOrder[2 * byte % 8]) * p.inputs + input] + 8;
      const int high = p.codes[(first + kAwqOrder[2 * byte % 8 + 1]) * p.inputs + input] + 8;
      p.words[input * row_bytes + byte] = static_cast<std::uint8_t>(low | high << 4);
    }
  }
}

void run(const PackAwq& p) {
  const std::int64_t inputs = p.inputs / kInputs * kInputs;
  const std::int64_t outputs = p.outputs / kStripe * kStripe;
  for (std::int64_t output = 0; output < outputs; output += kStripes * kStripe) {
    const std::int64_t left = (outputs - output) / kStripe;
    const int stripes = static_cast<int>(left < kStripes ? left : kStripes);
    for (std::int64_t input = 0; input < inputs; input += kMaxInputs) {
      const std::int64_t rest = inputs - input;
      pack_block(p, input, rest < kMaxInputs ? rest : kMaxInputs, output, stripes);
    }
  }
  pack_rest(p, inputs, outputs);
}

}  // namespace

extern const PackAwqKernel k_pack_awq_avx2;
const PackAwqKernel k_pack_awq_avx2 = {"avx2", supports, run};

}  // namespace requant::kernel
