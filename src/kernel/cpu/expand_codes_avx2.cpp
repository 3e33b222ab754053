// Compiled with -mavx2 -mfma -mf16c: see kernel/CMakeLists.txt for what must not be included.
#include <immintrin.h>

#include "kernel/expand_codes.h"

namespace requant::kernel {
namespace {

constexpr std::size_t kWidth = 8;

bool supports() {
  return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
}

// Eight codes of a form as F32, from a multiple of eight codes on.
struct Nibbles {
  __m256 low;   // values of codes 0 to 7
  __m256 high;  // and 8 to 15
  const std::uint8_t* from;

  explicit Nibbles(const ExpandCodes& p)
      : low(_mm256_loadu_ps(p.table)),
        high(_mm256_loadu_ps(p.table + kWidth)),
        from(static_cast<const std::uint8_t*>(p.codes)) {}
  __m256 load(std::size_t at) const {
    int pairs = 0;
    __builtin_memcpy(&pairs, from + at / 2, sizeof pairs);
    const __m256i shifts = _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28);
    const __m256i codes = _mm256_and_si256(_mm256_srlv_epi32(_mm256_set1_epi32(pairs), shifts),
                                           _mm256_set1_epi32(15));
    const __m256 is_high = _mm256_castsi256_ps(_mm256_slli_epi32(codes, 28));
    return _mm256_blendv_ps(_mm256_permutevar8x32_ps(low, codes),
                            _mm256_permutevar8x32_ps(high, codes), is_high);
  }
};

struct Int8 {
  const std::uint8_t* from;
  explicit Int8(const ExpandCodes& p) : from(static_cast<const std::uint8_t*>(p.codes)) {}
  __m256 load(std::size_t at) const {
    const __m128i codes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from + at));
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(codes));
  }
};

struct ByTable {
  const float* table;
  const std::uint8_t* from;
  explicit ByTable(const ExpandCodes& p)
      : table(p.table), from(static_cast<const std::uint8_t*>(p.codes)) {}
  __m256 load(std::size_t at) const {
    const __m128i codes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from + at));
    return _mm256_i32gather_ps(table, _mm256_cvtepu8_epi32(codes), 4);
  }
};

struct Half {
  const std::uint16_t* from;
  explicit Half(const ExpandCodes& p) : from(static_cast<const std::uint16_t*>(p.codes)) {}
  __m256 load(std::size_t at) const {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + at)));
  }
};

struct Brain {
  const std::uint16_t* from;
  explicit Brain(const ExpandCodes& p) : from(static_cast<const std::uint16_t*>(p.codes)) {}
  __m256 load(std::size_t at) const {
    const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + at));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
  }
};

// One code, where fewer than eight are left or a nibble lies across.
float one(const ExpandCodes& p, std::size_t at) {
  const auto* bytes = static_cast<const std::uint8_t*>(p.codes);
  if (p.form == CodeForm::kInt8) return static_cast<std::int8_t>(bytes[at]);
  if (p.form == CodeForm::kBytes) return p.table[bytes[at]];
  if (p.form == CodeForm::kNibbles) {
    return p.table[at % 2 == 0 ? bytes[at / 2] & 15 : bytes[at / 2] >> 4];
  }
  const std::uint16_t bits = static_cast<const std::uint16_t*>(p.codes)[at];
  if (p.form == CodeForm::kF16) return _cvtsh_ss(bits);
  const std::uint32_t wide = static_cast<std::uint32_t>(bits) << 16;
  float value = 0;
  __builtin_memcpy(&value, &wide, sizeof value);
  return value;
}

template <class Load, bool kScaled>
void run_as(const ExpandCodes& p) {
  const Load load(p);
  float* out = p.out;
  const __m256 scale = _mm256_set1_ps(p.scale);
  const __m256 addend = _mm256_set1_ps(p.addend);
  std::size_t i = 0;
  const auto single = [&] {
    const float value = one(p, p.first + i);
    out[i] = kScaled ? value * p.scale + p.addend : value;
    ++i;
  };
  if (p.form == CodeForm::kNibbles && p.first % 2 != 0 && p.count > 0) single();
  for (; i + kWidth <= p.count; i += kWidth) {
    const __m256 value = load.load(p.first + i);
    _mm256_storeu_ps(out + i, kScaled ? _mm256_fmadd_ps(value, scale, addend) : value);
  }
  while (i < p.count) single();
}

void run(const ExpandCodes& p) {
  switch (p.form) {
    case CodeForm::kNibbles:
      return run_as<Nibbles, true>(p);
    case CodeForm::kInt8:
      return run_as<Int8, true>(p);
    case CodeForm::kBytes:
      return run_as<ByTable, true>(p);
    case CodeForm::kF16:
      return run_as<Half, false>(p);
    case CodeForm::kBF16:
      return run_as<Brain, false>(p);
  }
}

}  // namespace

extern const ExpandCodesKernel k_expand_codes_avx2;
const ExpandCodesKernel k_expand_codes_avx2 = {"avx2", supports, run};

}  // namespace requant::kernel
