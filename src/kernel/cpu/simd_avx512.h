#pragma once

// For files compiled with -mavx512f and the rest in kernel/CMakeLists.txt; see kernel/cpu/simd.h.
#include <immintrin.h>

#include <cstdint>

namespace requant::kernel {
namespace {

using V = __m512i;
constexpr int kLanes = 4;
constexpr char kIsa[] = "avx512";

inline bool machine_has_simd() {
  return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
         __builtin_cpu_supports("avx512vl") != 0 && __builtin_cpu_supports("avx512vbmi") != 0;
}

inline V load(const void* from) { return _mm512_loadu_si512(from); }
inline void store(void* to, V v) { _mm512_storeu_si512(to, v); }

// Past the cache; `to` is aligned to 64 bytes.
inline void stream(void* to, V v) { _mm512_stream_si512(static_cast<V*>(to), v); }

inline __m128i load_lane(const void* from) {
  return _mm_loadu_si128(static_cast<const __m128i*>(from));
}
inline void store_lane(void* to, __m128i lane) {
  _mm_storeu_si128(static_cast<__m128i*>(to), lane);
}
inline void store_half(void* to, __m128i lane) {
  _mm_storel_epi64(static_cast<__m128i*>(to), lane);
}

inline V join(__m128i a, __m128i b, __m128i c, __m128i d) {
  const __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(a), b, 1);
  const __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(c), d, 1);
  return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

// 16 bytes from each of the offsets.
inline V load_lanes(const std::uint8_t* from, const std::int64_t offsets[kLanes]) {
  return join(load_lane(from + offsets[0]), load_lane(from + offsets[1]),
              load_lane(from + offsets[2]), load_lane(from + offsets[3]));
}
inline V load_lanes(const std::uint8_t* from, std::int64_t stride) {
  return join(load_lane(from), load_lane(from + stride), load_lane(from + 2 * stride),
              load_lane(from + 3 * stride));
}
// The same 16 bytes for two lanes each.
inline V load_runs(const std::uint8_t* from, std::int64_t stride) {
  return join(load_lane(from), load_lane(from), load_lane(from + stride), load_lane(from + stride));
}
// In ascending order, so that lanes may overlap.
inline void store_lanes(std::uint8_t* to, std::int64_t stride, V v) {
  store_lane(to, _mm512_castsi512_si128(v));
  store_lane(to + stride, _mm512_extracti32x4_epi32(v, 1));
  store_lane(to + 2 * stride, _mm512_extracti32x4_epi32(v, 2));
  store_lane(to + 3 * stride, _mm512_extracti32x4_epi32(v, 3));
}

// Each second lane joined with the one before it.
inline void fold_lanes(V v, __m128i* to) {
  to[0] = _mm_or_si128(_mm512_castsi512_si128(v), _mm512_extracti32x4_epi32(v, 1));
  to[1] = _mm_or_si128(_mm512_extracti32x4_epi32(v, 2), _mm512_extracti32x4_epi32(v, 3));
}

inline V zero() { return _mm512_setzero_si512(); }
inline V fill8(int value) { return _mm512_set1_epi8(static_cast<char>(value)); }
inline V fill16(int value) { return _mm512_set1_epi16(static_cast<short>(value)); }
inline V fill32(std::uint32_t value) { return _mm512_set1_epi32(static_cast<int>(value)); }
inline V fill64(std::uint64_t value) {
  return _mm512_set1_epi64(static_cast<long long>(value));  // NOLINT: what the intrinsic takes
}

inline V and_(V a, V b) { return _mm512_and_si512(a, b); }
inline V or_(V a, V b) { return _mm512_or_si512(a, b); }
inline V xor_(V a, V b) { return _mm512_xor_si512(a, b); }
inline V and_not(V a, V b) { return _mm512_andnot_si512(b, a); }  // a & ~b
inline V add8(V a, V b) { return _mm512_add_epi8(a, b); }
inline V sub8(V a, V b) { return _mm512_sub_epi8(a, b); }
inline V multiply16(V a, V b) { return _mm512_mullo_epi16(a, b); }
inline V left16(V v, int count) { return _mm512_slli_epi16(v, static_cast<unsigned>(count)); }
inline V right16(V v, int count) { return _mm512_srli_epi16(v, static_cast<unsigned>(count)); }
inline V right32(V v, int count) { return _mm512_srli_epi32(v, static_cast<unsigned>(count)); }
inline V left_each32(V v, V counts) { return _mm512_sllv_epi32(v, counts); }
inline V right_each64(V v, V counts) { return _mm512_srlv_epi64(v, counts); }
// Sums of two neighbours, each times its weight: bytes of less than 128 to 16 bits, words to 32.
inline V pair_bytes(V weights, V v) { return _mm512_maddubs_epi16(weights, v); }
inline V pair_words(V weights, V v) { return _mm512_madd_epi16(weights, v); }
inline V narrow16(V a, V b) { return _mm512_packus_epi16(a, b); }  // lane by lane
inline V narrow32(V a, V b) { return _mm512_packus_epi32(a, b); }
inline V shuffle8(V v, V places) { return _mm512_shuffle_epi8(v, places); }  // within lanes
inline V least8(V a, V b) { return _mm512_min_epu8(a, b); }
// The top bit of each byte; 32 bits to two lanes.
inline void top_bits(V v, std::uint32_t* to) {
  const std::uint64_t bits = _mm512_movepi8_mask(v);
  to[0] = static_cast<std::uint32_t>(bits);
  to[1] = static_cast<std::uint32_t>(bits >> 32);
}
inline bool any(V v) { return _mm512_test_epi8_mask(v, v) != 0; }

template <int kWidth>
inline V interleave_low(V a, V b) {
  if constexpr (kWidth == 1) return _mm512_unpacklo_epi8(a, b);
  if constexpr (kWidth == 2) return _mm512_unpacklo_epi16(a, b);
  if constexpr (kWidth == 4) return _mm512_unpacklo_epi32(a, b);
}
template <int kWidth>
inline V interleave_high(V a, V b) {
  if constexpr (kWidth == 1) return _mm512_unpackhi_epi8(a, b);
  if constexpr (kWidth == 2) return _mm512_unpackhi_epi16(a, b);
  if constexpr (kWidth == 4) return _mm512_unpackhi_epi32(a, b);
}

}  // namespace
}  // namespace requant::kernel
