// Compiled with -msha -msse4.1: see kernel/CMakeLists.txt for what must not be included.
#include <cpuid.h>
#include <immintrin.h>

#include "kernel/sha256.h"

namespace requant::kernel {
namespace {

constexpr std::size_t kBlock = 64;

// FIPS 180-4, 4.2.2 and 5.3.3.
alignas(16) constexpr std::uint32_t kConstants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
constexpr std::uint32_t kInitial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                       0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

bool supports() {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  const bool sha = __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & bit_SHA) != 0;
  return sha && __builtin_cpu_supports("sse4.1") != 0;
}

// The eight words of a state as the instructions take them: a, b, e, f and c, d, g, h, the first
// one highest.
struct State {
  __m128i abef;
  __m128i cdgh;
};

State initial() {
  const auto* words = kInitial;
  return {_mm_set_epi32(static_cast<int>(words[0]), static_cast<int>(words[1]),
                        static_cast<int>(words[4]), static_cast<int>(words[5])),
          _mm_set_epi32(static_cast<int>(words[2]), static_cast<int>(words[3]),
                        static_cast<int>(words[6]), static_cast<int>(words[7]))};
}

__m128i swap_bytes(__m128i words) {
  return _mm_shuffle_epi8(words, _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203));
}

// kCount messages' blocks at a time, so that their instructions fill each other's waits.
template <int kCount>
inline void take_blocks(State* states, const std::uint8_t* const* from, std::size_t blocks) {
  for (std::size_t block = 0; block < blocks; ++block) {
    State next[kCount];
    __m128i words[kCount][4];  // of the schedule, the last sixteen
    for (int m = 0; m < kCount; ++m) {
      next[m] = states[m];
      for (int i = 0; i < 4; ++i) {
        const std::uint8_t* at = from[m] + block * kBlock + 16 * i;
        words[m][i] = swap_bytes(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
      }
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) {
      const __m128i constants =
          _mm_load_si128(reinterpret_cast<const __m128i*>(kConstants + 4 * i));
#pragma GCC unroll 2
      for (int m = 0; m < kCount; ++m) {
        __m128i* w = words[m];
        const __m128i sum = _mm_add_epi32(w[i % 4], constants);
        next[m].cdgh = _mm_sha256rnds2_epu32(next[m].cdgh, next[m].abef, sum);
        next[m].abef =
            _mm_sha256rnds2_epu32(next[m].abef, next[m].cdgh, _mm_shuffle_epi32(sum, 0x0E));
        if (i < 12) {
          const __m128i last = w[(i + 3) % 4];
          const __m128i seven_back = _mm_alignr_epi8(last, w[(i + 2) % 4], 4);
          w[i % 4] = _mm_sha256msg2_epu32(
              _mm_add_epi32(_mm_sha256msg1_epu32(w[i % 4], w[(i + 1) % 4]), seven_back), last);
        }
      }
    }
    for (int m = 0; m < kCount; ++m) {
      states[m].abef = _mm_add_epi32(states[m].abef, next[m].abef);
      states[m].cdgh = _mm_add_epi32(states[m].cdgh, next[m].cdgh);
    }
  }
}

// What is left of a message after its whole blocks, with the padding of 5.1.1.
void finish(State& state, const std::uint8_t* message, std::size_t size, std::uint8_t* digest) {
  const std::size_t rest = size % kBlock;
  std::uint8_t tail[2 * kBlock] = {};
  if (rest > 0) __builtin_memcpy(tail, message + size - rest, rest);
  tail[rest] = 0x80;
  const std::size_t blocks = rest + 9 > kBlock ? 2 : 1;
  const std::uint64_t bits = __builtin_bswap64(std::uint64_t{8} * size);
  __builtin_memcpy(tail + blocks * kBlock - 8, &bits, 8);
  const std::uint8_t* from = tail;
  take_blocks<1>(&state, &from, blocks);
  // Lane 3 of abef is a: h of cdgh is its lane 0.
  const __m128i low = _mm_unpackhi_epi64(state.cdgh, state.abef);   // d c b a, lowest first
  const __m128i high = _mm_unpacklo_epi64(state.cdgh, state.abef);  // h g f e
  auto* to = reinterpret_cast<__m128i*>(digest);
  _mm_storeu_si128(to, swap_bytes(_mm_shuffle_epi32(low, 0x1B)));
  _mm_storeu_si128(to + 1, swap_bytes(_mm_shuffle_epi32(high, 0x1B)));
}

void run(const Sha256Pair& p) {
  State states[2] = {initial(), initial()};
  const std::size_t blocks[2] = {p.sizes[0] / kBlock, p.sizes[1] / kBlock};
  const std::size_t both = blocks[0] < blocks[1] ? blocks[0] : blocks[1];
  take_blocks<2>(states, p.messages, both);
  for (int m = 0; m < 2; ++m) {
    const std::uint8_t* rest = p.messages[m] + both * kBlock;
    take_blocks<1>(&states[m], &rest, blocks[m] - both);
    finish(states[m], p.messages[m], p.sizes[m], p.digests[m]);
  }
}

}  // namespace

extern const Sha256Kernel k_sha256_shani;
const Sha256Kernel k_sha256_shani = {"sha_ni", supports, run};

}  // namespace requant::kernel
