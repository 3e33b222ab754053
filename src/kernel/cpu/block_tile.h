#pragma once

// Groups of values in the lanes of L, for kernel/cpu/block_rounding.h. Internal linkage, as there.

#include "kernel/cpu/block_search.h"
#include "kernel/round_blocks.h"
#include "tensor/float_formats.h"

namespace requant::kernel {
namespace {

constexpr int kSuper = 256;  // elements of a block of K types
constexpr int kShort = 32;   // of the others

inline std::uint8_t low_byte(float whole) {
  return static_cast<std::uint8_t>(static_cast<int>(whole));
}

// Gives the number that is stored.
inline float put_f16(std::uint8_t* to, float value) {
  const std::uint16_t bits = f32_to_f16(value);
  to[0] = static_cast<std::uint8_t>(bits & 0xFF);
  to[1] = static_cast<std::uint8_t>(bits >> 8);
  return f16_to_f32(bits);
}

struct ValueRange {
  float least;
  float greatest;
};

inline float sum_of_squares(const float* values, std::size_t count) {
  float sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum += values[i] * values[i];
  return sum;
}

// The first `groups` groups of consecutive values, one in each lane; 0 in the others.
template <class L, int kCount>
inline void load_groups(const float* values, int groups, typename L::F* to) {
  if (groups == L::kWidth) {
    for (int i = 0; i < kCount; i += L::kWidth) L::load_columns(values + i, kCount, to + i);
    return;
  }
  float lanes[kCount * L::kWidth] = {};
  for (int g = 0; g < groups; ++g) {
    for (int i = 0; i < kCount; ++i) lanes[i * L::kWidth + g] = values[g * kCount + i];
  }
  for (int i = 0; i < kCount; ++i) to[i] = L::load(lanes + i * L::kWidth);
}

template <class L, int kCount>
inline void put_groups(const typename L::F* codes, int groups, std::uint8_t* to) {
  if (groups == L::kWidth) {
    for (int i = 0; i < kCount; i += L::kWidth) L::store_columns(codes + i, to + i, kCount);
    return;
  }
  std::uint8_t lanes[kCount * L::kWidth];
  for (int i = 0; i < kCount; ++i) L::store_bytes(lanes + i * L::kWidth, codes[i]);
  for (int g = 0; g < groups; ++g) {
    for (int i = 0; i < kCount; ++i) to[g * kCount + i] = lanes[i * L::kWidth + g];
  }
}

// As many groups as L has lanes.
template <class L, int kCount>
struct Tile {
  using F = typename L::F;
  F x[kCount];
  F w[kCount];
  F codes[kCount];

  void load(const float* values, int groups = L::kWidth) {
    load_groups<L, kCount>(values, groups, x);
  }
  void weigh(const float* importance, int groups = L::kWidth) {
    load_groups<L, kCount>(importance, groups, w);
  }
  // Weights that also grow with the value, and with the mean square of those around it.
  void weigh(const float* importance, F mean, int groups = L::kWidth) {
    weigh(importance, groups);
    for (int i = 0; i < kCount; ++i) w[i] = w[i] * L::root(mean + x[i] * x[i]);
  }
  void weigh_by_squares() {
    for (int i = 0; i < kCount; ++i) w[i] = x[i] * x[i];
  }
  F sum_of_squares() const {
    F sum = L::set(0);
    for (int i = 0; i < kCount; ++i) sum = sum + x[i] * x[i];
    return sum;
  }
  F sum_of_weights() const {
    F sum = L::set(0);
    for (int i = 0; i < kCount; ++i) sum = sum + w[i];
    return sum;
  }
  // The codes nearest to (x + shift) / scale; where that is 0, they stay.
  void round_again(F scale, F shift, float low, float high) {
    const auto stays = L::equal(scale, L::set(0));
    for (int i = 0; i < kCount; ++i) {
      const F code = L::clamp(L::nearest((x[i] + shift) / scale), low, high);
      codes[i] = L::select(stays, codes[i], code);
    }
  }
  void put(std::uint8_t* to, int groups = L::kWidth) const {
    put_groups<L, kCount>(codes, groups, to);
  }
};

// A block of 256 and what its groups have.
template <class L, int kCount>
struct SuperBlock {
  static constexpr int kGroups = kSuper / kCount;
  static constexpr int kTiles = kGroups / L::kWidth;
  Tile<L, kCount> tiles[kTiles];
  float scales[kGroups];
  float minima[kGroups];
  float weights[kGroups];

  void load(const float* values) {
    for (int t = 0; t < kTiles; ++t) tiles[t].load(values + t * L::kWidth * kCount);
  }
  void weigh(const float* importance, float mean) {
    for (int t = 0; t < kTiles; ++t) {
      tiles[t].weigh(importance + t * L::kWidth * kCount, L::set(mean));
      L::store(weights + t * L::kWidth, tiles[t].sum_of_weights());
    }
  }
  void put(std::uint8_t* codes) const {
    for (int t = 0; t < kTiles; ++t) tiles[t].put(codes + t * L::kWidth * kCount);
  }
};

// Where the parts of one block are.
struct Block {
  const float* values;
  const float* importance;
  std::uint8_t* codes;
  std::uint8_t* scales;
  std::uint8_t* minima;
  std::uint8_t* outer;
  std::uint8_t* outer_minima;
};

inline Block block_at(const RoundBlocks& p, std::size_t block, std::size_t groups) {
  const std::size_t first = block * kSuper;
  return {.values = p.values + first,
          .importance = p.importance == nullptr ? nullptr : p.importance + first,
          .codes = p.codes + first,
          .scales = p.scales + block * groups,
          .minima = p.minima == nullptr ? nullptr : p.minima + block * groups,
          .outer = p.outer + block * 2,
          .outer_minima = p.outer_minima == nullptr ? nullptr : p.outer_minima + block * 2};
}

}  // namespace
}  // namespace requant::kernel
