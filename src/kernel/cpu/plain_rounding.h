#pragma once

// Blocks that ggml rounds without a search (ggml/src/ggml-quants.c: quantize_row_*_ref, as
// quantize_* calls it where no importance is given). P has the loops over the values of one block.
// Internal linkage, as in block_search.h.

#include "kernel/cpu/block_tile.h"

namespace requant::kernel {
namespace {

// 0 where there is none.
inline float plain_inverse(float d) {
  const float id = 1.0F / d;
  return id - id == 0 ? id : 0.0F;
}

// Q4_0, Q5_0: the value of the largest magnitude is the lowest code.
template <class P>
inline void round_signed(const RoundBlocks& p, int bits) {
  const auto half = static_cast<float>(1 << (bits - 1));
  for (std::size_t block = 0; block < p.count / kShort; ++block) {
    const float* x = p.values + block * kShort;
    const float d = P::largest(x, kShort) / -half;
    (void)put_f16(p.scales + block * 2, d);
    P::signed_codes(x, plain_inverse(d), half, p.codes + block * kShort);
  }
}

// Q4_1, Q5_1: the range from the least value to the greatest.
template <class P>
inline void round_range(const RoundBlocks& p, int bits) {
  const auto most = static_cast<float>((1 << bits) - 1);
  for (std::size_t block = 0; block < p.count / kShort; ++block) {
    const float* x = p.values + block * kShort;
    const ValueRange range = P::range(x);
    const float d = (range.greatest - range.least) / most;
    (void)put_f16(p.scales + block * 2, d);
    (void)put_f16(p.minima + block * 2, range.least);
    P::range_codes(x, range.least, plain_inverse(d), most, p.codes + block * kShort);
  }
}

// Q8_0, TQ1_0, TQ2_0: halves away from zero.
template <class P>
inline void round_symmetric(const RoundBlocks& p, std::size_t size, float most) {
  for (std::size_t block = 0; block < p.count / size; ++block) {
    const float* x = p.values + block * size;
    const float d = __builtin_fabsf(P::largest(x, size)) / most;
    (void)put_f16(p.scales + block * 2, d);
    P::symmetric_codes(x, size, plain_inverse(d), p.codes + block * size);
  }
}

// The nearest of twice e2m1's values times half the scale, the first of several.
template <class P>
inline void round_mxfp4(const RoundBlocks& p) {
  for (std::size_t block = 0; block < p.count / kShort; ++block) {
    const float* x = p.values + block * kShort;
    const float magnitude = __builtin_fabsf(P::largest(x, kShort));
    const int exponent =
        magnitude > 0 ? static_cast<int>(__builtin_floorf(__builtin_log2f(magnitude))) - 2 + 127
                      : 0;
    const int stored = exponent > 0 ? exponent : 0;
    p.scales[block] = static_cast<std::uint8_t>(stored);
    P::mxfp4_codes(x, __builtin_ldexpf(1.0F, stored - 128), p.codes + block * kShort);
  }
}

}  // namespace
}  // namespace requant::kernel
