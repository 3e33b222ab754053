#pragma once

// What plain_codes_ref.h does, eight values at a time. For files compiled with -mavx2.

namespace requant::kernel {
namespace {

struct EightPlainCodes {
  using F = __m256;

  static float largest(const float* x, std::size_t count) {
    F most = _mm256_setzero_ps();
    for (std::size_t i = 0; i < count; i += 8) {
      most = _mm256_max_ps(most, EightLanes::absolute(_mm256_loadu_ps(x + i)));
    }
    const float magnitude = -least_of(_mm256_sub_ps(_mm256_setzero_ps(), most));
    if (magnitude == 0) return 0;
    for (std::size_t i = 0; i < count; i += 8) {
      const F own = EightLanes::absolute(_mm256_loadu_ps(x + i));
      const int found = _mm256_movemask_ps(EightLanes::equal(own, _mm256_set1_ps(magnitude)));
      if (found != 0)
        return x[i + static_cast<std::size_t>(__builtin_ctz(static_cast<unsigned>(found)))];
    }
    return 0;
  }

  static ValueRange range(const float* x) {
    F low = _mm256_loadu_ps(x);
    F high = low;
    for (int i = 8; i < kShort; i += 8) {
      const F own = _mm256_loadu_ps(x + i);
      low = _mm256_min_ps(low, own);
      high = _mm256_max_ps(high, own);
    }
    ValueRange range = {least_of(low), -least_of(_mm256_sub_ps(_mm256_setzero_ps(), high))};
    if (range.greatest == 0) range.greatest = 0;  // not below 0
    if (range.least != 0) return range;
    for (int i = kShort - 1; i >= 0; --i) {
      if (x[i] == 0) range.least = x[i];  // a zero of the sign of the first
    }
    return range;
  }

  static void signed_codes(const float* x, float id, float half, std::uint8_t* codes) {
    const F moved = _mm256_set1_ps(half + 0.5F);
    const __m256i most = _mm256_set1_epi32(static_cast<int>(2 * half) - 1);
    const __m256i middle = _mm256_set1_epi32(static_cast<int>(half));
    for (int i = 0; i < kShort; i += 8) {
      const F scaled =
          _mm256_add_ps(_mm256_mul_ps(_mm256_loadu_ps(x + i), _mm256_set1_ps(id)), moved);
      const __m256i code = _mm256_min_epi32(_mm256_cvttps_epi32(scaled), most);
      store(codes + i, _mm256_sub_epi32(code, middle));
    }
  }

  static void range_codes(const float* x, float least, float id, float most, std::uint8_t* codes) {
    const __m256i limit = _mm256_set1_epi32(static_cast<int>(most));
    for (int i = 0; i < kShort; i += 8) {
      const F off = _mm256_sub_ps(_mm256_loadu_ps(x + i), _mm256_set1_ps(least));
      const F scaled = _mm256_add_ps(_mm256_mul_ps(off, _mm256_set1_ps(id)), _mm256_set1_ps(0.5F));
      store(codes + i, _mm256_min_epi32(_mm256_cvttps_epi32(scaled), limit));
    }
  }

  static void symmetric_codes(const float* x, std::size_t count, float id, std::uint8_t* codes) {
    const F sign = _mm256_set1_ps(-0.0F);
    for (std::size_t i = 0; i < count; i += 8) {
      const F scaled = _mm256_mul_ps(_mm256_loadu_ps(x + i), _mm256_set1_ps(id));
      const F own = EightLanes::absolute(scaled);
      const F whole = _mm256_round_ps(own, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
      const F is_half = _mm256_cmp_ps(_mm256_sub_ps(own, whole), _mm256_set1_ps(0.5F), _CMP_GE_OQ);
      const F away = _mm256_add_ps(whole, _mm256_and_ps(is_half, _mm256_set1_ps(1)));
      store(codes + i, _mm256_cvttps_epi32(_mm256_or_ps(away, _mm256_and_ps(sign, scaled))));
    }
  }

  // Of a value below 0 the nearest code is that of its magnitude with the sign; 0 has none.
  static void mxfp4_codes(const float* x, float half, std::uint8_t* codes) {
    constexpr float kTwice[] = {0, 1, 2, 3, 4, 6, 8, 12};
    for (int i = 0; i < kShort; i += 8) {
      const F value = _mm256_loadu_ps(x + i);
      const F own = EightLanes::absolute(value);
      F least = own;
      F best = _mm256_setzero_ps();
      for (int code = 1; code < 8; ++code) {
        const F error =
            EightLanes::absolute(_mm256_sub_ps(_mm256_set1_ps(kTwice[code] * half), own));
        const F nearer = EightLanes::less(error, least);
        least = _mm256_min_ps(error, least);
        best = _mm256_blendv_ps(best, _mm256_castsi256_ps(_mm256_set1_epi32(code)), nearer);
      }
      const __m256i code = _mm256_castps_si256(best);
      const __m256i is_zero = _mm256_cmpeq_epi32(code, _mm256_setzero_si256());
      const __m256i sign = _mm256_slli_epi32(_mm256_srli_epi32(_mm256_castps_si256(value), 31), 3);
      store(codes + i, _mm256_or_si256(code, _mm256_andnot_si256(is_zero, sign)));
    }
  }

 private:
  static float least_of(F lanes) {
    __m128 four = _mm_min_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps(lanes, 1));
    four = _mm_min_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_min_ss(four, _mm_shuffle_ps(four, four, 1)));
  }

  // The low bytes of numbers that 16 bits hold.
  static void store(std::uint8_t* to, __m256i whole) {
    const __m128i pairs =
        _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
    const __m128i low = _mm_and_si128(pairs, _mm_set1_epi16(0xFF));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm_packus_epi16(low, low));
  }
};

}  // namespace
}  // namespace requant::kernel
