#pragma once

// For files compiled with -mavx2 alone; static, so that nothing of it is shared with other files
// (kernel/CMakeLists.txt).
#include <immintrin.h>

namespace requant::kernel {

// Transposes 16 x 16 bytes in each half of the registers: four rounds of a perfect shuffle.
static void transpose(__m256i rows[16]) {
  for (int round = 0; round < 4; ++round) {
    __m256i next[16];
    for (int i = 0; i < 8; ++i) {
      next[2 * i] = _mm256_unpacklo_epi8(rows[i], rows[i + 8]);
      next[2 * i + 1] = _mm256_unpackhi_epi8(rows[i], rows[i + 8]);
    }
    for (int i = 0; i < 16; ++i) rows[i] = next[i];
  }
}

}  // namespace requant::kernel
