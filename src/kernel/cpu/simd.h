#pragma once

// Registers of 16-byte lanes, the same names for AVX2 and AVX-512: a kernel is written once
// (OP_simd.h) and compiled once for each (OP_avx2.cpp, OP_avx512.cpp). Everything here and in those
// headers has internal linkage, so that nothing is shared with other files (kernel/CMakeLists.txt).
#if defined(REQUANT_FOUR_LANES)
#include "kernel/cpu/simd_four_lanes.h"
#elif defined(__AVX512VBMI__)
#include "kernel/cpu/simd_avx512.h"
#else
#include "kernel/cpu/simd_avx2.h"
#endif

namespace requant::kernel {
namespace {

constexpr std::int64_t kLaneBytes = 16;
constexpr std::int64_t kBytes = kLanes * kLaneBytes;
constexpr std::int64_t kCacheLine = 64;

// Has the memory bring lines that are read soon: no pattern of its own tells it which.
inline void fetch(const std::uint8_t* from, std::int64_t bytes) {
  for (std::int64_t byte = 0; byte < bytes; byte += kCacheLine) {
    _mm_prefetch(reinterpret_cast<const char*>(from + byte), _MM_HINT_T0);
  }
}

// Whether a result is written past the cache: where it is too large to stay there, reading its
// lines before they are written would cost half as much again. For rows of whole lines.
// Given `differs`, it writes nothing and tells there whether the result is other than what lies at
// its place.
class Sink {
 public:
  Sink(const void* to, std::int64_t row_bytes, std::int64_t bytes, bool* differs = nullptr)
      : streams_(differs == nullptr && bytes >= kLarge && row_bytes % kCacheLine == 0 &&
                 reinterpret_cast<std::uintptr_t>(to) % kCacheLine == 0),
        differs_(differs),
        difference_(zero()) {}
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;
  ~Sink() {
    if (streams_) _mm_sfence();
    if (differs_ != nullptr && any(difference_)) *differs_ = true;
  }

  bool streams() const { return streams_; }

  // REQUIRES: `to` is a multiple of kBytes from where the rows begin.
  void put(void* to, V v) const {
    if (streams_) {
      stream(to, v);
    } else if (differs_ != nullptr) {
      difference_ = or_(difference_, xor_(load(to), v));
    } else {
      store(to, v);
    }
  }

  // The same for a run of bytes; the end of one that is no multiple of kCacheLine is copied.
  void copy(void* to, const void* from, std::int64_t bytes) const {
    auto* bytes_to = static_cast<std::uint8_t*>(to);
    const auto* bytes_from = static_cast<const std::uint8_t*>(from);
    std::int64_t done = 0;
    if (differs_ == nullptr) {
      for (; done + kCacheLine <= bytes; done += kCacheLine)
        copy_line(bytes_to + done, bytes_from + done);
    }
    if (done == bytes) return;
    const auto left = static_cast<unsigned long>(bytes - done);
    if (differs_ == nullptr) {
      __builtin_memcpy(bytes_to + done, bytes_from + done, left);
    } else if (__builtin_memcmp(bytes_to + done, bytes_from + done, left) != 0) {
      *differs_ = true;
    }
  }

 private:
  void copy_line(std::uint8_t* to, const std::uint8_t* from) const {
    for (std::int64_t i = 0; i < kCacheLine; i += kBytes) {
      if (streams_) {
        stream(to + i, load(from + i));
      } else {
        store(to + i, load(from + i));
      }
    }
  }

  static constexpr std::int64_t kLarge = std::int64_t{1} << 20;
  bool streams_;
  bool* differs_;
  mutable V difference_;
};

// Two rounds of a perfect shuffle of elements of kWidth bytes, for four registers of which each is
// a quarter of all from the next: to[0] to to[3] are neighbours among those of the second round.
template <int kWidth>
inline void shuffle_twice(V a, V b, V c, V d, V* to) {
  const V low = interleave_low<kWidth>(a, c);
  const V high = interleave_high<kWidth>(a, c);
  const V other_low = interleave_low<kWidth>(b, d);
  const V other_high = interleave_high<kWidth>(b, d);
  to[0] = interleave_low<kWidth>(low, other_low);
  to[1] = interleave_high<kWidth>(low, other_low);
  to[2] = interleave_low<kWidth>(high, other_high);
  to[3] = interleave_high<kWidth>(high, other_high);
}

// Transposes 16 / kWidth elements of kWidth bytes in each lane of as many registers: a round of the
// shuffle for each time that 16 / kWidth can be halved.
template <int kWidth>
inline void transpose_lanes(V* rows) {
  constexpr int kCount = 16 / kWidth;
  constexpr int kQuarter = kCount / 4;
  V next[kCount];
  for (int i = 0; i < kQuarter; ++i) {
    shuffle_twice<kWidth>(rows[i], rows[i + kQuarter], rows[i + 2 * kQuarter],
                          rows[i + 3 * kQuarter], next + 4 * i);
  }
  for (int i = 0; i < kQuarter; ++i) {
    if constexpr (kWidth == 1) {
      shuffle_twice<kWidth>(next[i], next[i + 4], next[i + 8], next[i + 12], rows + 4 * i);
    }
  }
  for (int i = 0; i < kCount / 2; ++i) {
    if constexpr (kWidth == 2) {
      rows[2 * i] = interleave_low<kWidth>(next[i], next[i + kCount / 2]);
      rows[2 * i + 1] = interleave_high<kWidth>(next[i], next[i + kCount / 2]);
    }
    if constexpr (kWidth == 4) {
      rows[2 * i] = next[2 * i];
      rows[2 * i + 1] = next[2 * i + 1];
    }
  }
}

}  // namespace
}  // namespace requant::kernel
