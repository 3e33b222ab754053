#pragma once

// For files compiled with -mavx2; see kernel/cpu/simd.h.
#include <immintrin.h>

#include <cstdint>

namespace requant::kernel {
namespace {

using V = __m256i;
constexpr int kLanes = 2;
constexpr char kIsa[] = "avx2";

inline bool machine_has_simd() { return __builtin_cpu_supports("avx2") != 0; }

inline V load(const void* from) { return _mm256_loadu_si256(static_cast<const V*>(from)); }
inline void store(void* to, V v) { _mm256_storeu_si256(static_cast<V*>(to), v); }

// Past the cache; `to` is aligned to 64 bytes.
inline void stream(void* to, V v) { _mm256_stream_si256(static_cast<V*>(to), v); }

inline __m128i load_lane(const void* from) {
  return _mm_loadu_si128(static_cast<const __m128i*>(from));
}
inline void store_lane(void* to, __m128i lane) {
  _mm_storeu_si128(static_cast<__m128i*>(to), lane);
}
inline void store_half(void* to, __m128i lane) {
  _mm_storel_epi64(static_cast<__m128i*>(to), lane);
}

// 16 bytes from each of the offsets.
inline V load_lanes(const std::uint8_t* from, const std::int64_t offsets[kLanes]) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(load_lane(from + offsets[0])),
                                 load_lane(from + offsets[1]), 1);
}
inline V load_lanes(const std::uint8_t* from, std::int64_t stride) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(load_lane(from)), load_lane(from + stride),
                                 1);
}
// The same 16 bytes for two lanes each.
inline V load_runs(const std::uint8_t* from, std::int64_t) {
  return _mm256_broadcastsi128_si256(load_lane(from));
}
// In ascending order, so that lanes may overlap.
inline void store_lanes(std::uint8_t* to, std::int64_t stride, V v) {
  store_lane(to, _mm256_castsi256_si128(v));
  store_lane(to + stride, _mm256_extracti128_si256(v, 1));
}

// Each second lane joined with the one before it.
inline void fold_lanes(V v, __m128i* to) {
  to[0] = _mm_or_si128(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
}

inline V zero() { return _mm256_setzero_si256(); }
inline V fill8(int value) { return _mm256_set1_epi8(static_cast<char>(value)); }
inline V fill16(int value) { return _mm256_set1_epi16(static_cast<short>(value)); }
inline V fill32(std::uint32_t value) { return _mm256_set1_epi32(static_cast<int>(value)); }
inline V fill64(std::uint64_t value) {
  return _mm256_set1_epi64x(static_cast<long long>(value));  // NOLINT: what the intrinsic takes
}

inline V and_(V a, V b) { return _mm256_and_si256(a, b); }
inline V or_(V a, V b) { return _mm256_or_si256(a, b); }
inline V xor_(V a, V b) { return _mm256_xor_si256(a, b); }
inline V and_not(V a, V b) { return _mm256_andnot_si256(b, a); }  // a & ~b
inline V add8(V a, V b) { return _mm256_add_epi8(a, b); }
inline V sub8(V a, V b) { return _mm256_sub_epi8(a, b); }
inline V multiply16(V a, V b) { return _mm256_mullo_epi16(a, b); }
inline V left16(V v, int count) { return _mm256_slli_epi16(v, count); }
inline V right16(V v, int count) { return _mm256_srli_epi16(v, count); }
inline V right32(V v, int count) { return _mm256_srli_epi32(v, count); }
inline V left_each32(V v, V counts) { return _mm256_sllv_epi32(v, counts); }
inline V right_each64(V v, V counts) { return _mm256_srlv_epi64(v, counts); }
// Sums of two neighbours, each times its weight: bytes of less than 128 to 16 bits, words to 32.
inline V pair_bytes(V weights, V v) { return _mm256_maddubs_epi16(weights, v); }
inline V pair_words(V weights, V v) { return _mm256_madd_epi16(weights, v); }
inline V narrow16(V a, V b) { return _mm256_packus_epi16(a, b); }  // lane by lane
inline V narrow32(V a, V b) { return _mm256_packus_epi32(a, b); }
inline V shuffle8(V v, V places) { return _mm256_shuffle_epi8(v, places); }  // within lanes
inline V least8(V a, V b) { return _mm256_min_epu8(a, b); }
// The top bit of each byte; 32 bits to two lanes.
inline void top_bits(V v, std::uint32_t* to) {
  to[0] = static_cast<std::uint32_t>(_mm256_movemask_epi8(v));
}
inline bool any(V v) { return _mm256_testz_si256(v, v) == 0; }

template <int kWidth>
inline V interleave_low(V a, V b) {
  if constexpr (kWidth == 1) return _mm256_unpacklo_epi8(a, b);
  if constexpr (kWidth == 2) return _mm256_unpacklo_epi16(a, b);
  if constexpr (kWidth == 4) return _mm256_unpacklo_epi32(a, b);
}
template <int kWidth>
inline V interleave_high(V a, V b) {
  if constexpr (kWidth == 1) return _mm256_unpackhi_epi8(a, b);
  if constexpr (kWidth == 2) return _mm256_unpackhi_epi16(a, b);
  if constexpr (kWidth == 4) return _mm256_unpackhi_epi32(a, b);
}

}  // namespace
}  // namespace requant::kernel
