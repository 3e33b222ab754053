#pragma once

// The lanes of kernel/cpu/block_search.h in registers of AVX2: see one_lane.h for what each
// function does. For files compiled with -mavx2.
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace requant::kernel {
namespace {

struct EightLanes {
  static constexpr int kWidth = 8;
  using F = __m256;
  using M = __m256;

  static F set(float value) { return _mm256_set1_ps(value); }
  static F load(const float* from) { return _mm256_loadu_ps(from); }
  static void store(float* to, F value) { _mm256_storeu_ps(to, value); }
  static void store_bytes(std::uint8_t* to, F value) {
    const __m256i whole = _mm256_cvttps_epi32(value);
    const __m128i pairs =
        _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm_packs_epi16(pairs, pairs));
  }
  static void load_columns(const float* from, std::size_t stride, F* to) {
    for (int i = 0; i < kWidth; ++i) to[i] = load(from + static_cast<std::size_t>(i) * stride);
    transpose(to);
  }
  static void store_columns(const F* from, std::uint8_t* to, std::size_t stride) {
    F rows[kWidth];
    for (int i = 0; i < kWidth; ++i) rows[i] = from[i];
    transpose(rows);
    for (int i = 0; i < kWidth; ++i)
      store_bytes(to + static_cast<std::size_t>(i) * stride, rows[i]);
  }
  static M less(F a, F b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
  static M equal(F a, F b) { return _mm256_cmp_ps(a, b, _CMP_EQ_OQ); }
  static M differ(F a, F b) { return _mm256_cmp_ps(a, b, _CMP_NEQ_UQ); }
  static M both(M a, M b) { return _mm256_and_ps(a, b); }
  static bool any(M mask) { return _mm256_movemask_ps(mask) != 0; }
  static bool all(M mask) { return _mm256_movemask_ps(mask) == 0xFF; }
  static F select(M mask, F yes, F no) { return _mm256_blendv_ps(no, yes, mask); }
  static F lesser(F a, F b) { return _mm256_min_ps(a, b); }
  static F greater(F a, F b) { return _mm256_max_ps(a, b); }
  static F clamp(F value, float low, float high) {
    return greater(lesser(value, set(high)), set(low));
  }
  static F absolute(F value) { return _mm256_andnot_ps(set(-0.0F), value); }
  static F root(F value) { return _mm256_sqrt_ps(value); }
  static F nearest(F value) {
    const __m256i bits = _mm256_castps_si256(_mm256_add_ps(value, set(12582912.0F)));
    const __m256i low = _mm256_and_si256(bits, _mm256_set1_epi32(0x007FFFFF));
    return _mm256_cvtepi32_ps(_mm256_sub_epi32(low, _mm256_set1_epi32(0x00400000)));
  }
  static F nearest_small(F value) {
    return _mm256_round_ps(value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  static F nonlinear_index(F value) { return _mm256_cvtepi32_ps(index_of(value)); }
  static F nonlinear_value(F value) {
    const __m256i index = index_of(value);
    const __m256 low =
        _mm256_permutevar8x32_ps(_mm256_setr_ps(-127, -104, -83, -65, -49, -35, -22, -10), index);
    const __m256 high =
        _mm256_permutevar8x32_ps(_mm256_setr_ps(1, 13, 25, 38, 53, 69, 89, 113), index);
    return _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(index, 28)));
  }

 private:
  // Eight rows of eight become columns.
  static void transpose(F* rows) {
    F pairs[kWidth];
    for (int i = 0; i < kWidth; i += 2) {
      pairs[i] = _mm256_unpacklo_ps(rows[i], rows[i + 1]);
      pairs[i + 1] = _mm256_unpackhi_ps(rows[i], rows[i + 1]);
    }
    F fours[kWidth];
    for (int i = 0; i < kWidth; i += 4) {
      fours[i] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0x44);
      fours[i + 1] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0xEE);
      fours[i + 2] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0x44);
      fours[i + 3] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0xEE);
    }
    for (int i = 0; i < 4; ++i) {
      rows[i] = _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x20);
      rows[i + 4] = _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x31);
    }
  }

  // Among the midpoints of the 16 values, a bit of the index at a time, the highest first.
  static __m256i index_of(F value) {
    const auto reached = [&](F midpoint) {
      return _mm256_castps_si256(_mm256_cmp_ps(value, midpoint, _CMP_GE_OQ));
    };
    const __m256i first = reached(set(-4.5F));
    __m256i index = _mm256_sub_epi32(_mm256_setzero_si256(), first);
    const __m256 second = _mm256_blendv_ps(set(-57), set(45.5F), _mm256_castsi256_ps(first));
    index = _mm256_sub_epi32(_mm256_add_epi32(index, index), reached(second));
    const __m256 thirds = _mm256_setr_ps(-93.5F, -28.5F, 19, 79, 0, 0, 0, 0);
    index = _mm256_sub_epi32(_mm256_add_epi32(index, index),
                             reached(_mm256_permutevar8x32_ps(thirds, index)));
    const __m256 fourths = _mm256_setr_ps(-115.5F, -74, -42, -16, 7, 31.5F, 61, 101);
    return _mm256_sub_epi32(_mm256_add_epi32(index, index),
                            reached(_mm256_permutevar8x32_ps(fourths, index)));
  }
};

}  // namespace
}  // namespace requant::kernel
