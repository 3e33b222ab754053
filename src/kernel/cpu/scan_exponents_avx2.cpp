#include <immintrin.h>

#include "kernel/scan_exponents.h"

namespace requant::kernel {
namespace {

bool supports(const ScanExponents&) { return __builtin_cpu_supports("avx2") != 0; }

bool run(const ScanExponents& p) {
  const __m256i exponent = _mm256_set1_epi64x(static_cast<long long>(p.exponent));
  const __m256i one = _mm256_set1_epi64x(static_cast<long long>(p.one));
  __m256i found[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
                      _mm256_setzero_si256()};
  std::size_t at = 0;
  for (; at + 128 <= p.bytes; at += 128) {
    for (int lane = 0; lane < 4; ++lane) {
      const __m256i words = _mm256_loadu_si256(
          static_cast<const __m256i*>(static_cast<const void*>(p.data + at + 32 * lane)));
      found[lane] =
          _mm256_or_si256(found[lane], _mm256_add_epi64(_mm256_and_si256(words, exponent), one));
    }
  }
  const __m256i all =
      _mm256_or_si256(_mm256_or_si256(found[0], found[1]), _mm256_or_si256(found[2], found[3]));
  const __m256i sign = _mm256_set1_epi64x(static_cast<long long>(p.sign));
  if (_mm256_testz_si256(all, sign) == 0) return true;
  std::uint64_t rest = 0;
  while (at < p.bytes) {
    std::uint64_t word = 0;
    const std::size_t size = p.bytes - at < 8 ? p.bytes - at : 8;
    __builtin_memcpy(&word, p.data + at, size);
    rest |= (word & p.exponent) + p.one;
    at += size;
  }
  return (rest & p.sign) != 0;
}

}  // namespace

extern const ScanExponentsKernel k_scan_exponents_avx2;
const ScanExponentsKernel k_scan_exponents_avx2 = {"avx2", supports, run};

}  // namespace requant::kernel
