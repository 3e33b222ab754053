// Compiled with -mavx2: see kernel/CMakeLists.txt for what must not be included.
#include <immintrin.h>

#include "kernel/scan_fp8.h"

namespace requant::kernel {
namespace {

bool supports(const ScanFp8&) { return __builtin_cpu_supports("avx2") != 0; }

// Of 32 codes, as -1 in each byte that is found.
__m256i found_in(const std::uint8_t* codes, __m256i below) {
  const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes));
  const __m256i magnitudes = _mm256_and_si256(bytes, _mm256_set1_epi8(0x7F));
  return _mm256_cmpgt_epi8(magnitudes, below);
}

std::size_t run(const ScanFp8& p) {
  const int first = p.e5m2 ? 0x7C : 0x7F;
  const __m256i below = _mm256_set1_epi8(static_cast<char>(first - 1));
  __m256i total = _mm256_setzero_si256();
  std::size_t i = 0;
  while (i + 32 <= p.count) {
    // Byte counters hold 255 rounds.
    __m256i counts = _mm256_setzero_si256();
    for (int round = 0; round < 255 && i + 32 <= p.count; ++round, i += 32) {
      counts = _mm256_sub_epi8(counts, found_in(p.codes + i, below));
    }
    total = _mm256_add_epi64(total, _mm256_sad_epu8(counts, _mm256_setzero_si256()));
  }
  alignas(32) std::uint64_t lanes[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), total);
  std::size_t found = lanes[0] + lanes[1] + lanes[2] + lanes[3];
  for (; i < p.count; ++i) found += (p.codes[i] & 0x7F) >= first ? 1 : 0;
  return found;
}

}  // namespace

extern const ScanFp8Kernel k_scan_fp8_avx2;
const ScanFp8Kernel k_scan_fp8_avx2 = {"avx2", supports, run};

}  // namespace requant::kernel
