#pragma once

// The lanes of kernel/cpu/block_search.h where there is one: plain numbers. Internal linkage, as
// files for newer CPUs include it, too.

#include <cstddef>
#include <cstdint>

namespace requant::kernel {
namespace {

// The 16 values of IQ4, ascending.
constexpr float kNonlinear[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                  1,    13,   25,  38,  53,  69,  89,  113};

struct OneLane {
  static constexpr int kWidth = 1;
  using F = float;
  using M = bool;

  static F set(float value) { return value; }
  static F load(const float* from) { return *from; }
  static void store(float* to, F value) { *to = value; }
  // A whole number of at most a byte.
  static void store_bytes(std::uint8_t* to, F value) {
    *to = static_cast<std::uint8_t>(static_cast<int>(value));
  }
  // Lane l of to[i] is from[l x stride + i], for as many i as there are lanes.
  static void load_columns(const float* from, std::size_t /*stride*/, F* to) { *to = *from; }
  // The other way round, whole numbers of at most a byte.
  static void store_columns(const F* from, std::uint8_t* to, std::size_t /*stride*/) {
    store_bytes(to, *from);
  }
  static M less(F a, F b) { return a < b; }
  static M equal(F a, F b) { return a == b; }
  static M differ(F a, F b) { return a != b; }
  static M both(M a, M b) { return a && b; }
  static bool any(M mask) { return mask; }
  static bool all(M mask) { return mask; }
  static F select(M mask, F yes, F no) { return mask ? yes : no; }
  static F lesser(F a, F b) { return a < b ? a : b; }
  static F greater(F a, F b) { return a > b ? a : b; }
  static F clamp(F value, float low, float high) { return greater(lesser(value, high), low); }
  static F absolute(F value) { return __builtin_fabsf(value); }
  static F root(F value) { return __builtin_sqrtf(value); }
  // Ties to even; ggml's way, which gives some number where the value has more than 22 bits.
  static F nearest(F value) {
    const float moved = value + 12582912.0F;
    std::int32_t bits = 0;
    __builtin_memcpy(&bits, &moved, sizeof(bits));
    return static_cast<float>((bits & 0x007FFFFF) - 0x00400000);
  }
  // The same where it has not.
  static F nearest_small(F value) { return value + 12582912.0F - 12582912.0F; }
  static F nonlinear_index(F value) {
    int index = 0;
    for (int i = 1; i < 16; ++i) {
      if (value >= (kNonlinear[i - 1] + kNonlinear[i]) / 2) index = i;
    }
    return static_cast<float>(index);
  }
  static F nonlinear_value(F value) { return kNonlinear[static_cast<int>(nonlinear_index(value))]; }
};

}  // namespace
}  // namespace requant::kernel
