// Compiled with -mavx2 -mfma -mf16c: see kernel/CMakeLists.txt for what must not be included.
#include <immintrin.h>

#include "kernel/dense_row.h"

namespace requant::kernel {
namespace {

constexpr std::size_t kWidth = 8;

// The product and its rounding error must both be normal F32: |code| is 2^-16 to 2^17, and the
// error 2^-24 of the product. Every CPU with AVX2 has F16C, for which clang 14 cannot ask.
bool supports(const DenseRow& p) {
  const float scale = p.scale < 0 ? -p.scale : p.scale;
  return (scale == 0 || (scale >= 0x1p-60F && scale <= 0x1p60F)) && p.zero >= -65536 &&
         p.zero <= 65536 && __builtin_cpu_supports("avx2") != 0 &&
         __builtin_cpu_supports("fma") != 0;
}

// e4m3fn in the place of an f16's bits is 2^-8 of its value, subnormals included.
__m256 from_e4m3fn(__m128i codes) {
  const __m128i wide = _mm_cvtepu8_epi16(codes);
  const __m128i magnitude = _mm_and_si128(wide, _mm_set1_epi16(0x7F));
  const __m128i sign = _mm_slli_epi16(_mm_and_si128(wide, _mm_set1_epi16(0x80)), 8);
  const __m128i half = _mm_or_si128(sign, _mm_slli_epi16(magnitude, 7));
  const __m256 value = _mm256_mul_ps(_mm256_cvtph_ps(half), _mm256_set1_ps(256));
  const __m128i is_nan = _mm_cmpeq_epi16(magnitude, _mm_set1_epi16(0x7F));
  const __m256i mask = _mm256_cvtepi16_epi32(is_nan);
  const __m256 nan = _mm256_castsi256_ps(_mm256_set1_epi32(0x7FC00000));
  return _mm256_blendv_ps(value, nan, _mm256_castsi256_ps(mask));
}

// Eight codes as F32, exactly.
template <DenseCode kCode>
__m256 decode(const std::uint8_t* from, __m256i zero) {
  const __m128i codes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from));
  if constexpr (kCode == DenseCode::kE4M3Fn) {
    return from_e4m3fn(codes);
  } else if constexpr (kCode == DenseCode::kE5M2) {
    return _mm256_cvtph_ps(_mm_slli_epi16(_mm_cvtepu8_epi16(codes), 8));
  } else {
    return _mm256_cvtepi32_ps(_mm256_sub_epi32(_mm256_cvtepi8_epi32(codes), zero));
  }
}

// code x scale rounded to odd, which rounds once more without harm: where the product is not exact,
// it is cut towards zero and its last bit set.
__m256i product_to_odd(__m256 code, __m256 scale) {
  const __m256 product = _mm256_mul_ps(code, scale);
  const __m256 error = _mm256_fmsub_ps(code, scale, product);
  const __m256i bits = _mm256_castps_si256(product);
  const __m256i error_bits = _mm256_castps_si256(error);
  // A NaN product (or an infinite one) has an error that is NaN: neither ordered nor touched.
  const __m256 inexact = _mm256_cmp_ps(error, _mm256_setzero_ps(), _CMP_NEQ_OQ);
  const __m256i rounded_up = _mm256_srli_epi32(_mm256_xor_si256(bits, error_bits), 31);
  const __m256i cut = _mm256_or_si256(_mm256_sub_epi32(bits, rounded_up), _mm256_set1_epi32(1));
  return _mm256_castps_si256(_mm256_blendv_ps(product, _mm256_castsi256_ps(cut), inexact));
}

// F32 to BF16, nearest even; a NaN keeps its sign and becomes quiet, as f32_to_bf16() does.
__m128i to_bf16(__m256i bits) {
  const __m256i last = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i half = _mm256_add_epi32(_mm256_set1_epi32(0x7FFF), last);
  const __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(bits, half), 16);
  const __m256i quiet = _mm256_or_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(0x40));
  const __m256 value = _mm256_castsi256_ps(bits);
  const __m256 is_nan = _mm256_cmp_ps(value, value, _CMP_UNORD_Q);
  const __m256i narrow = _mm256_castps_si256(
      _mm256_blendv_ps(_mm256_castsi256_ps(rounded), _mm256_castsi256_ps(quiet), is_nan));
  return _mm_packus_epi32(_mm256_castsi256_si128(narrow), _mm256_extracti128_si256(narrow, 1));
}

template <DType kDtype>
void store(__m256 code, __m256 scale, unsigned char* to) {
  if constexpr (kDtype == DType::kF32) {
    _mm256_storeu_ps(reinterpret_cast<float*>(to), _mm256_mul_ps(code, scale));
  } else {
    const __m256i odd = product_to_odd(code, scale);
    const __m128i narrow = kDtype == DType::kBF16 ? to_bf16(odd)
                                                  : _mm256_cvtps_ph(_mm256_castsi256_ps(odd),
                                                                    _MM_FROUND_TO_NEAREST_INT);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), narrow);
  }
}

template <DenseCode kCode, DType kDtype>
void run_as(const DenseRow& p) {
  constexpr std::size_t kSize = kDtype == DType::kF32 ? 4 : 2;
  const std::uint8_t* codes = p.codes;
  auto* out = static_cast<unsigned char*>(p.out);
  const std::size_t count = p.count;
  const __m256 scale = _mm256_set1_ps(p.scale);
  const __m256i zero = _mm256_set1_epi32(p.zero);
  std::size_t i = 0;
  for (; i + kWidth <= count; i += kWidth) {
    store<kDtype>(decode<kCode>(codes + i, zero), scale, out + i * kSize);
  }
  if (i == count) return;
  std::uint8_t last[kWidth] = {};
  alignas(32) unsigned char values[kWidth * kSize];
  for (std::size_t k = i; k < count; ++k) last[k - i] = codes[k];
  store<kDtype>(decode<kCode>(last, zero), scale, values);
  __builtin_memcpy(out + i * kSize, values, (count - i) * kSize);
}

template <DenseCode kCode>
void run_code(const DenseRow& p) {
  if (p.dtype == DType::kF32) return run_as<kCode, DType::kF32>(p);
  if (p.dtype == DType::kBF16) return run_as<kCode, DType::kBF16>(p);
  return run_as<kCode, DType::kF16>(p);
}

void run(const DenseRow& p) {
  switch (p.code) {
    case DenseCode::kInt8:
      return run_code<DenseCode::kInt8>(p);
    case DenseCode::kE4M3Fn:
      return run_code<DenseCode::kE4M3Fn>(p);
    case DenseCode::kE5M2:
      return run_code<DenseCode::kE5M2>(p);
  }
}

}  // namespace

extern const DenseRowKernel k_dense_row_avx2;
const DenseRowKernel k_dense_row_avx2 = {"avx2", supports, run};

}  // namespace requant::kernel
