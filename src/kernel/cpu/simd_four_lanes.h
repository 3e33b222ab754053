#pragma once

// Registers of four lanes, as those of AVX-512, each made of two of AVX2: what is written for four
// lanes is tested with them on machines that have no AVX-512. See kernel/cpu/simd.h.
#include <immintrin.h>

#include <cstdint>

namespace requant::kernel {
namespace {

struct V {
  __m256i low;
  __m256i high;
};
constexpr int kLanes = 4;
constexpr char kIsa[] = "four_lanes";

inline bool machine_has_simd() { return __builtin_cpu_supports("avx2") != 0; }

inline V load(const void* from) {
  const auto* halves = static_cast<const __m256i*>(from);
  return {_mm256_loadu_si256(halves), _mm256_loadu_si256(halves + 1)};
}
inline void store(void* to, V v) {
  auto* halves = static_cast<__m256i*>(to);
  _mm256_storeu_si256(halves, v.low);
  _mm256_storeu_si256(halves + 1, v.high);
}
inline void stream(void* to, V v) {
  auto* halves = static_cast<__m256i*>(to);
  _mm256_stream_si256(halves, v.low);
  _mm256_stream_si256(halves + 1, v.high);
}

inline __m128i load_lane(const void* from) {
  return _mm_loadu_si128(static_cast<const __m128i*>(from));
}
inline void store_lane(void* to, __m128i lane) {
  _mm_storeu_si128(static_cast<__m128i*>(to), lane);
}
inline void store_half(void* to, __m128i lane) {
  _mm_storel_epi64(static_cast<__m128i*>(to), lane);
}

inline __m256i join(__m128i a, __m128i b) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(a), b, 1);
}
inline V load_lanes(const std::uint8_t* from, const std::int64_t offsets[kLanes]) {
  return {join(load_lane(from + offsets[0]), load_lane(from + offsets[1])),
          join(load_lane(from + offsets[2]), load_lane(from + offsets[3]))};
}
inline V load_lanes(const std::uint8_t* from, std::int64_t stride) {
  return {join(load_lane(from), load_lane(from + stride)),
          join(load_lane(from + 2 * stride), load_lane(from + 3 * stride))};
}
inline V load_runs(const std::uint8_t* from, std::int64_t stride) {
  return {_mm256_broadcastsi128_si256(load_lane(from)),
          _mm256_broadcastsi128_si256(load_lane(from + stride))};
}

inline __m128i first(__m256i v) { return _mm256_castsi256_si128(v); }
inline __m128i second(__m256i v) { return _mm256_extracti128_si256(v, 1); }
inline void store_lanes(std::uint8_t* to, std::int64_t stride, V v) {
  store_lane(to, first(v.low));
  store_lane(to + stride, second(v.low));
  store_lane(to + 2 * stride, first(v.high));
  store_lane(to + 3 * stride, second(v.high));
}
inline void fold_lanes(V v, __m128i* to) {
  to[0] = _mm_or_si128(first(v.low), second(v.low));
  to[1] = _mm_or_si128(first(v.high), second(v.high));
}

inline V twice(__m256i v) { return {v, v}; }
inline V zero() { return twice(_mm256_setzero_si256()); }
inline V fill8(int value) { return twice(_mm256_set1_epi8(static_cast<char>(value))); }
inline V fill16(int value) { return twice(_mm256_set1_epi16(static_cast<short>(value))); }
inline V fill32(std::uint32_t value) { return twice(_mm256_set1_epi32(static_cast<int>(value))); }
inline V fill64(std::uint64_t value) {
  return twice(_mm256_set1_epi64x(static_cast<long long>(value)));  // NOLINT: see simd_avx2.h
}

template <class Op>
inline V each(V a, V b, Op op) {
  return {op(a.low, b.low), op(a.high, b.high)};
}
inline V and_(V a, V b) {
  return each(a, b, [](__m256i x, __m256i y) { return _mm256_and_si256(x, y); });
}
inline V or_(V a, V b) {
  return each(a, b, [](__m256i x, __m256i y) { return _mm256_or_si256(x, y); });
}
inline V xor_(V a, V b) {
  return each(a, b, [](__m256i x, __m256i y) { return _mm256_xor_si256(x, y); });
}
inline V and_not(V a, V b) {
  return each(a, b, [](__m256i x, __m256i y) { return _mm256_andnot_si256(y, x); });
}
inline V add8(V a, V b) {
  return each(a, b, [](__m256i x, __m256i y) { return _mm256_add_epi8(x, y); });
}
inline V sub8(V a, V b) {
  return each(a, b, [](__m256i x, __m256i y) { return _mm256_sub_epi8(x, y); });
}
inline V multiply16(V a, V b) {
  return each(a, b, [](__m256i x, __m256i y) { return _mm256_mullo_epi16(x, y); });
}
inline V left_each32(V a, V b) {
  return each(a, b, [](__m256i x, __m256i y) { return _mm256_sllv_epi32(x, y); });
}
inline V right_each64(V a, V b) {
  return each(a, b, [](__m256i x, __m256i y) { return _mm256_srlv_epi64(x, y); });
}
inline V pair_bytes(V a, V b) {
  return each(a, b, [](__m256i x, __m256i y) { return _mm256_maddubs_epi16(x, y); });
}
inline V pair_words(V a, V b) {
  return each(a, b, [](__m256i x, __m256i y) { return _mm256_madd_epi16(x, y); });
}
inline V narrow16(V a, V b) {
  return each(a, b, [](__m256i x, __m256i y) { return _mm256_packus_epi16(x, y); });
}
inline V narrow32(V a, V b) {
  return each(a, b, [](__m256i x, __m256i y) { return _mm256_packus_epi32(x, y); });
}
inline V shuffle8(V a, V b) {
  return each(a, b, [](__m256i x, __m256i y) { return _mm256_shuffle_epi8(x, y); });
}
inline V least8(V a, V b) {
  return each(a, b, [](__m256i x, __m256i y) { return _mm256_min_epu8(x, y); });
}
inline V left16(V v, int count) {
  return {_mm256_slli_epi16(v.low, count), _mm256_slli_epi16(v.high, count)};
}
inline V right16(V v, int count) {
  return {_mm256_srli_epi16(v.low, count), _mm256_srli_epi16(v.high, count)};
}
inline V right32(V v, int count) {
  return {_mm256_srli_epi32(v.low, count), _mm256_srli_epi32(v.high, count)};
}
inline void top_bits(V v, std::uint32_t* to) {
  to[0] = static_cast<std::uint32_t>(_mm256_movemask_epi8(v.low));
  to[1] = static_cast<std::uint32_t>(_mm256_movemask_epi8(v.high));
}
inline bool any(V v) {
  const __m256i both = _mm256_or_si256(v.low, v.high);
  return _mm256_testz_si256(both, both) == 0;
}

template <int kWidth>
inline V interleave_low(V a, V b) {
  return each(a, b, [](__m256i x, __m256i y) {
    if constexpr (kWidth == 1) return _mm256_unpacklo_epi8(x, y);
    if constexpr (kWidth == 2) return _mm256_unpacklo_epi16(x, y);
    if constexpr (kWidth == 4) return _mm256_unpacklo_epi32(x, y);
  });
}
template <int kWidth>
inline V interleave_high(V a, V b) {
  return each(a, b, [](__m256i x, __m256i y) {
    if constexpr (kWidth == 1) return _mm256_unpackhi_epi8(x, y);
    if constexpr (kWidth == 2) return _mm256_unpackhi_epi16(x, y);
    if constexpr (kWidth == 4) return _mm256_unpackhi_epi32(x, y);
  });
}

}  // namespace
}  // namespace requant::kernel
