// Compiled with -mavx2 -mfma -mf16c: see kernel/CMakeLists.txt for what must not be included.
#include <immintrin.h>

#include "kernel/dot_rows.h"

namespace requant::kernel {
namespace {

constexpr std::size_t kWidth = 8;

bool supports() {
  return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
}

float sum_of(__m256 lanes) {
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps(lanes, 1));
  four = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(four, _mm_shuffle_ps(four, four, 1)));
}

// The products of kRows rows and kTokens tokens, each pair in a register of its own.
template <int kRows, int kTokens>
void tile(const DotRows& p, std::size_t row, std::size_t token) {
  const float* weights = p.weights + row * p.stride;
  const float* inputs = p.inputs + token * p.input_stride;
  const std::size_t stride = p.stride;
  const std::size_t input_stride = p.input_stride;
  const std::size_t cols = p.cols;
  __m256 sums[kRows * kTokens];
  for (auto& sum : sums) sum = _mm256_setzero_ps();
  std::size_t k = 0;
  for (; k + kWidth <= cols; k += kWidth) {
    __m256 x[kTokens];
    for (int t = 0; t < kTokens; ++t) {
      x[t] = _mm256_loadu_ps(inputs + static_cast<std::size_t>(t) * input_stride + k);
    }
    for (int r = 0; r < kRows; ++r) {
      const __m256 w = _mm256_loadu_ps(weights + static_cast<std::size_t>(r) * stride + k);
      for (int t = 0; t < kTokens; ++t) {
        sums[r * kTokens + t] = _mm256_fmadd_ps(w, x[t], sums[r * kTokens + t]);
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int t = 0; t < kTokens; ++t) {
      float sum = sum_of(sums[r * kTokens + t]);
      for (std::size_t i = k; i < cols; ++i) {
        sum += weights[static_cast<std::size_t>(r) * stride + i] *
               inputs[static_cast<std::size_t>(t) * input_stride + i];
      }
      p.out[(token + static_cast<std::size_t>(t)) * p.out_stride + row +
            static_cast<std::size_t>(r)] = sum;
    }
  }
}

template <int kRows>
void rows_at(const DotRows& p, std::size_t row) {
  std::size_t token = 0;
  for (; token + 3 <= p.tokens; token += 3) tile<kRows, 3>(p, row, token);
  for (; token < p.tokens; ++token) tile<kRows, 1>(p, row, token);
}

void run(const DotRows& p) {
  std::size_t row = 0;
  for (; row + 4 <= p.rows; row += 4) rows_at<4>(p, row);
  for (; row < p.rows; ++row) rows_at<1>(p, row);
}

}  // namespace

extern const DotRowsKernel k_dot_rows_avx2;
const DotRowsKernel k_dot_rows_avx2 = {"avx2", supports, run};

}  // namespace requant::kernel
