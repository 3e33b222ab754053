#pragma once

// A row of values as the blocks of each of ggml's types (ggml/src/ggml-quants.c: quantize_row_*_ref
// without, quantize_row_*_impl with an importance), by the searches of kernel/cpu/block_search.h.
// Internal linkage, as there.

#include "kernel/cpu/block_tile.h"
#include "kernel/cpu/plain_rounding.h"

namespace requant::kernel {
namespace {

// Q2_K, Q4_K, Q5_K.
struct WithMinima {
  Affine search;      // without an importance
  float most_scale;   // of the integers that scales and minima become
  float mean_factor;  // of the mean square in weights
};

// Whole numbers for the numbers, none below 0, of which `outer` is the unit.
inline void round_scales(const float* numbers, int count, float most, float* codes, float* outer) {
  float high = 0;
  for (int i = 0; i < count; ++i) high = OneLane::greater(numbers[i], high);
  const float inverse = high > 0 ? most / high : 0;
  for (int i = 0; i < count; ++i) {
    codes[i] = OneLane::lesser(most, OneLane::nearest(inverse * numbers[i]));
  }
  *outer = high / most;
}

template <class L, int kCount, bool kAbsolute>
inline void search_with_minima(SuperBlock<L, kCount>& all, const WithMinima& type,
                               const Block& block) {
  using F = typename L::F;
  if (block.importance != nullptr) {
    const float mean = type.mean_factor * sum_of_squares(block.values, kSuper) / kSuper;
    all.weigh(block.importance, mean);
  }
  for (int t = 0; t < all.kTiles; ++t) {
    Tile<L, kCount>& tile = all.tiles[t];
    Found<L> found;
    if (block.importance != nullptr) {
      const Affine search = {type.search.most, -0.9F, 0.05F, 36};
      found = affine<L, kCount, false>(tile.x, tile.w, search, tile.codes);
    } else {
      const F added = kAbsolute ? L::set(0) : L::root(tile.sum_of_squares() / L::set(kCount));
      for (int i = 0; i < kCount; ++i) tile.w[i] = added + L::absolute(tile.x[i]);
      found = affine<L, kCount, kAbsolute>(tile.x, tile.w, type.search, tile.codes);
    }
    L::store(all.scales + t * L::kWidth, found.scale);
    L::store(all.minima + t * L::kWidth, found.minimum);
  }
}

template <class L, int kCount, bool kAbsolute>
inline void round_with_minima(const WithMinima& type, const Block& block) {
  using All = SuperBlock<L, kCount>;
  All all;
  all.load(block.values);
  search_with_minima<L, kCount, kAbsolute>(all, type, block);
  float scales[All::kGroups];
  float minima[All::kGroups];
  float outer = 0;
  float outer_minimum = 0;
  if (block.importance != nullptr) {
    outer = positive(all.scales, all.weights, All::kGroups, type.most_scale, scales);
    outer_minimum = positive(all.minima, all.weights, All::kGroups, type.most_scale, minima);
  } else {
    round_scales(all.scales, All::kGroups, type.most_scale, scales, &outer);
    round_scales(all.minima, All::kGroups, type.most_scale, minima, &outer_minimum);
  }
  outer = put_f16(block.outer, outer);
  outer_minimum = put_f16(block.outer_minima, outer_minimum);
  for (int g = 0; g < All::kGroups; ++g) {
    block.scales[g] = low_byte(scales[g]);
    block.minima[g] = low_byte(-minima[g]);
    scales[g] = outer * scales[g];
    minima[g] = outer_minimum * minima[g];
  }
  for (int t = 0; t < All::kTiles; ++t) {
    all.tiles[t].round_again(L::load(scales + t * L::kWidth), L::load(minima + t * L::kWidth), 0,
                             type.search.most);
  }
  all.put(block.codes);
}

// Q3_K and Q6_K: groups of 16, codes from -most to most - 1.
template <class L>
using Sixteens = SuperBlock<L, 16>;

template <class L>
inline void finish_signed(Sixteens<L>& all, const float* scales, float most, const Block& block) {
  for (int t = 0; t < all.kTiles; ++t) {
    all.tiles[t].round_again(L::load(scales + t * L::kWidth), L::set(0), -most, most - 1);
  }
  all.put(block.codes);
}

// The number of the largest magnitude, the first of several.
inline float largest_scale(const float* scales) {
  float magnitude = 0;
  return largest_of<OneLane, 16>(scales, magnitude);
}

constexpr float kMostQ3K = 4;

template <class L>
inline void search_q3_k(Sixteens<L>& all, const float* importance, float mean) {
  all.weigh(importance, mean);
  for (int t = 0; t < all.kTiles; ++t) {
    Tile<L, 16>& tile = all.tiles[t];
    L::store(all.scales + t * L::kWidth, symmetric<L, 16>(tile.x, tile.w, kMostQ3K, tile.codes));
  }
}

// Of kBlocks blocks at once.
template <class L, int kBlocks>
inline void search_q3_k(Sixteens<L>* all) {
  constexpr int kTiles = Sixteens<L>::kTiles;
  Descent<L, 16> tiles[kBlocks * kTiles];
  for (int t = 0; t < kBlocks * kTiles; ++t) {
    Tile<L, 16>& tile = all[t / kTiles].tiles[t % kTiles];
    tiles[t].begin(tile.x, tile.codes, kMostQ3K);
  }
  descend<L, 16, kBlocks * kTiles>(tiles, kMostQ3K);
  for (int t = 0; t < kBlocks * kTiles; ++t) {
    L::store(all[t / kTiles].scales + t % kTiles * L::kWidth, tiles[t].end(kMostQ3K));
  }
}

template <class L>
inline void finish_q3_k(Sixteens<L>& all, const Block& block) {
  constexpr float kMostScale = 32;
  float scales[16];
  float outer = 0;
  if (block.importance != nullptr) {
    outer = symmetric<OneLane, 16>(all.scales, all.weights, kMostScale, scales);
  } else if (const float largest = largest_scale(all.scales); largest != 0) {
    const float inverse = -kMostScale / largest;
    for (int g = 0; g < 16; ++g) {
      scales[g] = signed_code<OneLane>(inverse * all.scales[g], kMostScale);
    }
    outer = 1 / inverse;
  } else {
    for (float& scale : scales) scale = -kMostScale;
  }
  outer = put_f16(block.outer, outer);
  for (int g = 0; g < 16; ++g) {
    block.scales[g] = low_byte(scales[g]);
    scales[g] = outer * scales[g];
  }
  finish_signed<L>(all, scales, kMostQ3K, block);
}

template <class L, int kBlocks>
inline void round_q3_k(const RoundBlocks& p, std::size_t first) {
  Sixteens<L> all[kBlocks];
  Block blocks[kBlocks];
  for (int b = 0; b < kBlocks; ++b) {
    blocks[b] = block_at(p, first + static_cast<std::size_t>(b), 16);
    all[b].load(blocks[b].values);
  }
  if (p.importance == nullptr) {
    search_q3_k<L, kBlocks>(all);
  } else {
    for (int b = 0; b < kBlocks; ++b) {
      const float mean = 2 * sum_of_squares(blocks[b].values, kSuper) / kSuper;
      search_q3_k<L>(all[b], blocks[b].importance, mean);
    }
  }
  for (int b = 0; b < kBlocks; ++b) finish_q3_k<L>(all[b], blocks[b]);
}

template <class L>
inline void round_q3_k(const RoundBlocks& p) {
  const std::size_t blocks = p.count / kSuper;
  std::size_t block = 0;
  for (; block + 2 <= blocks; block += 2) round_q3_k<L, 2>(p, block);
  if (block < blocks) round_q3_k<L, 1>(p, block);
}

template <class L>
inline void round_q6_k(const Block& block) {
  constexpr float kMost = 32;
  Sixteens<L> all;
  all.load(block.values);
  for (int t = 0; t < all.kTiles; ++t) {
    Tile<L, 16>& tile = all.tiles[t];
    if (block.importance != nullptr) {
      tile.weigh(block.importance + t * L::kWidth * 16);
    } else {
      tile.weigh_by_squares();
    }
    L::store(all.scales + t * L::kWidth, symmetric<L, 16>(tile.x, tile.w, kMost, tile.codes));
  }
  const float largest = largest_scale(all.scales);
  const bool is_flat = OneLane::absolute(largest) < kSmallest;
  const float inverse = -128 / largest;
  const float outer = put_f16(block.outer, is_flat ? 0 : 1 / inverse);
  float scales[16];
  for (int g = 0; g < 16; ++g) {
    const float code =
        is_flat ? 0 : OneLane::lesser(127, OneLane::nearest(inverse * all.scales[g]));
    block.scales[g] = low_byte(code);
    scales[g] = outer * code;
  }
  if (is_flat) {
    for (int i = 0; i < kSuper; ++i) block.codes[i] = low_byte(-kMost);
    return;
  }
  finish_signed<L>(all, scales, kMost, block);
}

// The value of IQ4 nearest to x over the scale.
template <class L>
inline void round_nonlinear(Tile<L, kShort>& tile, typename L::F scale) {
  const typename L::F zero = L::set(0);
  const auto inverse = L::select(L::equal(scale, zero), zero, L::set(1) / scale);
  for (int i = 0; i < kShort; ++i) tile.codes[i] = L::nonlinear_index(inverse * tile.x[i]);
}

template <class L>
inline void round_iq4_xs(const Block& block) {
  SuperBlock<L, kShort> all;
  all.load(block.values);
  if (block.importance != nullptr) {
    all.weigh(block.importance, sum_of_squares(block.values, kSuper) * (2.0F / kSuper));
  }
  for (int t = 0; t < all.kTiles; ++t) {
    Tile<L, kShort>& tile = all.tiles[t];
    if (block.importance == nullptr) tile.weigh_by_squares();
    L::store(all.scales + t * L::kWidth, nonlinear<L, kShort>(tile.x, tile.w));
  }
  float magnitude = 0;
  const float outer = -largest_of<OneLane, 8>(all.scales, magnitude) / 32;
  (void)put_f16(block.outer, outer);
  const float inverse = outer == 0 ? 0 : 1 / outer;
  for (int g = 0; g < 8; ++g) {
    const float code = signed_code<OneLane>(inverse * all.scales[g], 32);
    block.scales[g] = low_byte(code);
    all.scales[g] = outer * code;
  }
  for (int t = 0; t < all.kTiles; ++t) {
    round_nonlinear<L>(all.tiles[t], L::load(all.scales + t * L::kWidth));
  }
  all.put(block.codes);
}

// What the types of 32 elements have in common: a lane for each of a few blocks.
template <class L, class Round>
inline void for_tiles(const RoundBlocks& p, const Round& round) {
  const std::size_t blocks = p.count / kShort;
  for (std::size_t first = 0; first < blocks; first += L::kWidth) {
    const std::size_t left = blocks - first;
    const int groups = left < L::kWidth ? static_cast<int>(left) : L::kWidth;
    Tile<L, kShort> tile;
    tile.load(p.values + first * kShort, groups);
    round(tile, first, groups);
    tile.put(p.codes + first * kShort, groups);
  }
}

template <class L>
inline void put_f16_lanes(typename L::F values, int groups, std::uint8_t* to) {
  float lanes[L::kWidth];
  L::store(lanes, values);
  for (int g = 0; g < groups; ++g) (void)put_f16(to + g * 2, lanes[g]);
}

template <class L>
inline void round_iq4_nl(const RoundBlocks& p) {
  for_tiles<L>(p, [&](Tile<L, kShort>& tile, std::size_t first, int groups) {
    if (p.importance != nullptr) {
      const auto mean = tile.sum_of_squares() * L::set(2.0F / kShort);
      tile.weigh(p.importance + first * kShort, mean, groups);
    } else {
      tile.weigh_by_squares();
    }
    const auto scale = nonlinear<L, kShort>(tile.x, tile.w);
    put_f16_lanes<L>(scale, groups, p.scales + first * 2);
    round_nonlinear<L>(tile, scale);
  });
}

template <class L>
inline void round_by_importance(const RoundBlocks& p, float most, bool has_minima) {
  const float mean = sum_of_squares(p.values, p.count) / static_cast<float>(p.count);
  for_tiles<L>(p, [&](Tile<L, kShort>& tile, std::size_t first, int groups) {
    tile.weigh(p.importance + first * kShort, L::set(mean), groups);
    if (!has_minima) {
      const auto scale = symmetric<L, kShort>(tile.x, tile.w, most, tile.codes);
      put_f16_lanes<L>(scale, groups, p.scales + first * 2);
      return;
    }
    const Affine search = {most, -0.9F, 0.05F, 36};
    const auto found = affine<L, kShort, false>(tile.x, tile.w, search, tile.codes);
    put_f16_lanes<L>(found.scale, groups, p.scales + first * 2);
    put_f16_lanes<L>(L::set(-0.0F) - found.minimum, groups, p.minima + first * 2);
  });
}

template <class Round>
inline void for_blocks(const RoundBlocks& p, std::size_t groups, const Round& round) {
  for (std::size_t block = 0; block < p.count / kSuper; ++block) {
    round(block_at(p, block, groups));
  }
}

// L: lanes of searches; P: loops without one.
template <class L, class P>
inline void round_blocks(const RoundBlocks& p) {
  constexpr WithMinima kQ2K = {{3, -0.5F, 0.1F, 15}, 15, 1};
  constexpr WithMinima kQ4K = {{15, -1, 0.1F, 20}, 63, 2};
  constexpr WithMinima kQ5K = {{31, -0.5F, 0.1F, 15}, 63, 2};
  const bool is_plain = p.importance == nullptr;
  switch (p.to) {
    case BlockType::kQ2K:
      return for_blocks(p, 16, [&](const Block& b) { round_with_minima<L, 16, true>(kQ2K, b); });
    case BlockType::kQ3K:
      return round_q3_k<L>(p);
    case BlockType::kQ4K:
      return for_blocks(p, 8, [&](const Block& b) { round_with_minima<L, 32, false>(kQ4K, b); });
    case BlockType::kQ5K:
      return for_blocks(p, 8, [&](const Block& b) { round_with_minima<L, 32, false>(kQ5K, b); });
    case BlockType::kQ6K:
      return for_blocks(p, 16, round_q6_k<L>);
    case BlockType::kIQ4NL:
      return round_iq4_nl<L>(p);
    case BlockType::kIQ4XS:
      return for_blocks(p, 8, round_iq4_xs<L>);
    case BlockType::kQ4_0:
      return is_plain ? round_signed<P>(p, 4) : round_by_importance<L>(p, 8, false);
    case BlockType::kQ4_1:
      return is_plain ? round_range<P>(p, 4) : round_by_importance<L>(p, 15, true);
    case BlockType::kQ5_0:
      return is_plain ? round_signed<P>(p, 5) : round_by_importance<L>(p, 16, false);
    case BlockType::kQ5_1:
      return is_plain ? round_range<P>(p, 5) : round_by_importance<L>(p, 31, true);
    case BlockType::kQ8_0:
      return round_symmetric<P>(p, kShort, 127);
    case BlockType::kTernary:
      return round_symmetric<P>(p, kSuper, 1);
    case BlockType::kMXFP4:
      return round_mxfp4<P>(p);
  }
}

}  // namespace
}  // namespace requant::kernel
