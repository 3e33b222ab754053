// Compiled with -mavx2 and without fused operations: see kernel/CMakeLists.txt for what must not be
// included.
#include <immintrin.h>

#include "kernel/compare_codes.h"

namespace requant::kernel {
namespace {

constexpr std::size_t kWidth = 8;

bool supports() { return __builtin_cpu_supports("avx2") != 0; }

enum class Codes { kSigned, kUnsigned, kCodebook };

template <Codes kCodes>
__m256 load_codes(const std::uint8_t* from, __m256 low_half, __m256 high_half) {
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from));
  if constexpr (kCodes == Codes::kSigned) return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
  const __m256i wide = _mm256_cvtepu8_epi32(bytes);
  if constexpr (kCodes == Codes::kUnsigned) return _mm256_cvtepi32_ps(wide);
  const __m256 low = _mm256_permutevar8x32_ps(low_half, wide);
  const __m256 high = _mm256_permutevar8x32_ps(high_half, wide);
  return _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(wide, 28)));
}

// The order of floats as integers, so that neighbours differ by one.
__m256i ordinals(__m256 values) {
  const __m256i bits = _mm256_castps_si256(values);
  const __m256i sign = _mm256_srai_epi32(bits, 31);
  const __m256i magnitude = _mm256_and_si256(bits, _mm256_set1_epi32(0x7FFFFFFF));
  return _mm256_sub_epi32(_mm256_xor_si256(magnitude, sign), sign);
}

struct Seen {
  __m256i same = _mm256_setzero_si256();  // below 0
  __m256d absolute = _mm256_setzero_pd();
  __m256i steps = _mm256_setzero_si256();
  __m256 largest = _mm256_setzero_ps();
};

// Gives the coded values.
[[gnu::always_inline]] inline __m128 compare_four(Seen& seen, __m128 values, __m128 codes,
                                                  __m256d scale, __m256d minimum) {
  const __m256d value = _mm256_cvtps_pd(values);
  const __m256d coded = _mm256_add_pd(_mm256_mul_pd(_mm256_cvtps_pd(codes), scale), minimum);
  const __m256d equal = _mm256_cmp_pd(value, coded, _CMP_EQ_OQ);
  seen.same = _mm256_add_epi64(seen.same, _mm256_castpd_si256(equal));
  const __m256d off = _mm256_andnot_pd(_mm256_set1_pd(-0.0), _mm256_sub_pd(value, coded));
  seen.absolute = _mm256_max_pd(seen.absolute, off);
  return _mm256_cvtpd_ps(coded);
}

// In line: what is seen stays in registers.
[[gnu::always_inline]] inline void compare_eight(Seen& seen, __m256 values, __m256 codes,
                                                 __m256d scale, __m256d minimum) {
  const __m128 low = compare_four(seen, _mm256_castps256_ps128(values),
                                  _mm256_castps256_ps128(codes), scale, minimum);
  const __m128 high = compare_four(seen, _mm256_extractf128_ps(values, 1),
                                   _mm256_extractf128_ps(codes, 1), scale, minimum);
  const __m256i a = ordinals(values);
  const __m256i b = ordinals(_mm256_set_m128(high, low));
  const __m256i steps = _mm256_sub_epi32(_mm256_max_epi32(a, b), _mm256_min_epi32(a, b));
  seen.steps = _mm256_max_epu32(seen.steps, steps);
  seen.largest = _mm256_max_ps(seen.largest, _mm256_andnot_ps(_mm256_set1_ps(-0.0F), values));
}

void add(const Seen& seen, std::uint64_t count, CodeDifference& difference) {
  alignas(32) std::int64_t same[4];
  alignas(32) double absolute[4];
  alignas(32) std::uint32_t steps[kWidth];
  alignas(32) float largest[kWidth];
  _mm256_store_si256(reinterpret_cast<__m256i*>(same), seen.same);
  _mm256_store_pd(absolute, seen.absolute);
  _mm256_store_si256(reinterpret_cast<__m256i*>(steps), seen.steps);
  _mm256_store_ps(largest, seen.largest);
  std::int64_t equal = 0;
  for (int i = 0; i < 4; ++i) {
    equal -= same[i];
    if (absolute[i] > difference.max_absolute) difference.max_absolute = absolute[i];
  }
  difference.elements += count - static_cast<std::uint64_t>(equal);
  for (std::size_t i = 0; i < kWidth; ++i) {
    if (steps[i] > difference.max_ulp) difference.max_ulp = steps[i];
    if (largest[i] > difference.largest) difference.largest = largest[i];
  }
}

template <Codes kCodes>
void compare(const CompareCodes& p, CodeDifference& difference) {
  Seen seen;
  __m256 low_half = _mm256_setzero_ps();
  __m256 high_half = low_half;
  if constexpr (kCodes == Codes::kCodebook) {
    low_half = _mm256_loadu_ps(p.codebook);
    high_half = _mm256_loadu_ps(p.codebook + kWidth);
  }
  for (std::size_t g = 0; g * p.group < p.count; ++g) {
    const __m256d scale = _mm256_set1_pd(p.scales[g]);
    const __m256d minimum = _mm256_set1_pd(p.minima == nullptr ? -0.0 : p.minima[g]);
    for (std::size_t i = g * p.group; i < (g + 1) * p.group; i += kWidth) {
      const __m256 codes = load_codes<kCodes>(p.codes + i, low_half, high_half);
      compare_eight(seen, _mm256_loadu_ps(p.values + i), codes, scale, minimum);
    }
  }
  add(seen, p.count, difference);
}

void run(const CompareCodes& p, CodeDifference& difference) {
  if (p.codebook != nullptr) return compare<Codes::kCodebook>(p, difference);
  if (p.is_signed) return compare<Codes::kSigned>(p, difference);
  compare<Codes::kUnsigned>(p, difference);
}

}  // namespace

extern const CompareCodesKernel k_compare_codes_avx2;
const CompareCodesKernel k_compare_codes_avx2 = {"avx2", supports, run};

}  // namespace requant::kernel
