#pragma once

// How ggml's quantisers look for the scale of a group of values: a few are tried, and that whose
// codes have the least weighted squared error is taken (ggml/src/ggml-quants.c: make_qkx2_quants
// and make_qkx3_quants are affine() here, make_qx_quants symmetric(), make_q3_quants descend(),
// make_qp_quants positive(), quantize_row_iq4_nl_impl nonlinear()). Each sum runs over the group in
// its order, as there: that makes the bits the same. So what runs in parallel is groups, one in
// each lane of L. The files that include this are compiled without contraction to fused operations.
//
// Everything here has internal linkage: see kernel/CMakeLists.txt.

#include "kernel/cpu/one_lane.h"

namespace requant::kernel {
namespace {

constexpr float kSmallest = 1e-15F;  // GROUP_MAX_EPS: less counts as 0
constexpr float kLargest = 4e6F;     // of numbers that nearest_small() rounds

// Of each group; the codes of a search go where `codes` says.
template <class L>
struct Found {
  typename L::F scale;
  typename L::F minimum;  // a positive number that is taken away
};

// Codes from 0 to `most`. The first scale spreads them over the whole range, those after it over
// most + first, most + first + step, ... steps.
struct Affine {
  float most;
  float first;
  float step;
  int steps;
};

template <class L>
inline typename L::F affine_code(typename L::F scaled, float most) {
  return L::clamp(L::nearest(scaled), 0, most);
}

// kAbsolute: errors themselves count, not their squares.
template <class L, int kCount, bool kAbsolute>
inline typename L::F affine_error(const typename L::F* x, const typename L::F* w,
                                  const typename L::F* codes, typename L::F scale,
                                  typename L::F low) {
  typename L::F error = L::set(0);
  for (int i = 0; i < kCount; ++i) {
    const typename L::F off = scale * codes[i] + low - x[i];
    error = error + w[i] * (kAbsolute ? L::absolute(off) : off * off);
  }
  return error;
}

// What a scale is fitted by, for codes of (x - base) x inverse.
template <class L>
struct AffineSums {
  typename L::F l;
  typename L::F l2;
  typename L::F xl;
};

// kSmall: none of the numbers has more than 22 bits before the point.
template <class L, int kCount, bool kSmall>
inline AffineSums<L> affine_sums(const typename L::F* x, const typename L::F* w, float most,
                                 typename L::F inverse, typename L::F base, typename L::F* codes) {
  using F = typename L::F;
  AffineSums<L> sums = {L::set(0), L::set(0), L::set(0)};
  for (int i = 0; i < kCount; ++i) {
    const F scaled = inverse * (x[i] - base);
    codes[i] = kSmall ? L::clamp(L::nearest_small(scaled), 0, most) : affine_code<L>(scaled, most);
    const F weighted = w[i] * codes[i];
    sums.l = sums.l + weighted;
    sums.l2 = sums.l2 + weighted * codes[i];
    sums.xl = sums.xl + weighted * x[i];
  }
  return sums;
}

template <class L, int kCount, bool kAbsolute>
inline Found<L> affine(const typename L::F* x, const typename L::F* w, const Affine& search,
                       typename L::F* codes) {
  using F = typename L::F;
  const F zero = L::set(0);
  F low = x[0];
  F high = x[0];
  F sum_w = w[0];
  F sum_x = w[0] * x[0];
  for (int i = 1; i < kCount; ++i) {
    low = L::lesser(x[i], low);
    high = L::greater(x[i], high);
    sum_w = sum_w + w[i];
    sum_x = sum_x + w[i] * x[i];
  }
  low = L::lesser(zero, low);
  const F lowest = low;
  const auto is_flat = L::equal(high, low);
  F best_inverse = L::set(search.most) / (high - low);
  F best_base = low;
  F best_scale = L::set(1) / best_inverse;
  for (int i = 0; i < kCount; ++i) {
    codes[i] = affine_code<L>(best_inverse * (x[i] - low), search.most);
  }
  F least = affine_error<L, kCount, kAbsolute>(x, w, codes, best_scale, low);
  for (int round = 0; round <= search.steps; ++round) {
    const float spread = search.first + search.step * static_cast<float>(round) + search.most;
    const F inverse = L::set(spread) / (high - low);
    const bool is_small = L::all(L::both(L::less(L::set(-kLargest), inverse * (lowest - low)),
                                         L::less(inverse * (high - low), L::set(kLargest))));
    const AffineSums<L> sums =
        is_small ? affine_sums<L, kCount, true>(x, w, search.most, inverse, low, codes)
                 : affine_sums<L, kCount, false>(x, w, search.most, inverse, low, codes);
    const F determinant = sum_w * sums.l2 - sums.l * sums.l;
    F scale = (sum_w * sums.xl - sum_x * sums.l) / determinant;
    F shift = (sums.l2 * sum_x - sums.l * sums.xl) / determinant;
    const auto is_above = L::less(zero, shift);
    scale = L::select(is_above, sums.xl / sums.l2, scale);
    shift = L::select(is_above, zero, shift);
    const F error = affine_error<L, kCount, kAbsolute>(x, w, codes, scale, shift);
    const auto is_better = L::both(L::less(zero, determinant), L::less(error, least));
    best_inverse = L::select(is_better, inverse, best_inverse);
    best_base = L::select(is_better, low, best_base);
    best_scale = L::select(is_better, scale, best_scale);
    least = L::select(is_better, error, least);
    low = L::select(is_better, shift, low);
  }
  for (int i = 0; i < kCount; ++i) {
    const F code = affine_code<L>(best_inverse * (x[i] - best_base), search.most);
    codes[i] = L::select(is_flat, zero, code);
  }
  const F shift = L::select(is_flat, lowest, low);
  return {L::select(is_flat, zero, best_scale), L::set(-0.0F) - shift};
}

// The value of the largest magnitude, the first of several.
template <class L, int kCount>
inline typename L::F largest_of(const typename L::F* x, typename L::F& magnitude) {
  typename L::F largest = L::set(0);
  magnitude = L::set(0);
  for (int i = 0; i < kCount; ++i) {
    const auto own = L::absolute(x[i]);
    const auto is_more = L::less(magnitude, own);
    magnitude = L::select(is_more, own, magnitude);
    largest = L::select(is_more, x[i], largest);
  }
  return largest;
}

template <class L>
inline typename L::F signed_code(typename L::F scaled, float most) {
  return L::clamp(L::nearest(scaled), -most, most - 1);
}

// Codes from -most to most - 1; the value of the largest magnitude has one near -most.
template <class L, int kCount>
inline typename L::F symmetric(const typename L::F* x, const typename L::F* w, float most,
                               typename L::F* codes) {
  using F = typename L::F;
  constexpr int kTries = 9;  // on either side
  const F zero = L::set(0);
  F magnitude;
  const F largest = largest_of<L, kCount>(x, magnitude);
  F weighted[kCount];
  for (int i = 0; i < kCount; ++i) weighted[i] = w[i] * x[i];
  const auto sums = [&](F inverse, F& sum_lx, F& sum_l2) {
    sum_lx = zero;
    sum_l2 = zero;
    for (int i = 0; i < kCount; ++i) {
      // Of a group that is not flat, no number is above most + 1.
      const F code = L::clamp(L::nearest_small(inverse * x[i]), -most, most - 1);
      sum_lx = sum_lx + weighted[i] * code;
      sum_l2 = sum_l2 + w[i] * code * code;
    }
  };
  F best_inverse = L::set(-most) / largest;
  F sum_lx;
  F sum_l2;
  sums(best_inverse, sum_lx, sum_l2);
  F best_scale = L::select(L::equal(sum_l2, zero), zero, sum_lx / sum_l2);
  F best = best_scale * sum_lx;
  for (int round = -kTries; round <= kTries; ++round) {
    if (round == 0) continue;
    const float spread = most + 0.1F * static_cast<float>(round);
    const F inverse = L::set(-spread) / largest;
    sums(inverse, sum_lx, sum_l2);
    const auto is_better = L::both(L::less(zero, sum_l2), L::less(best * sum_l2, sum_lx * sum_lx));
    const F scale = sum_lx / sum_l2;
    best_inverse = L::select(is_better, inverse, best_inverse);
    best_scale = L::select(is_better, scale, best_scale);
    best = L::select(is_better, scale * sum_lx, best);
  }
  const auto is_flat = L::less(magnitude, L::set(kSmallest));
  for (int i = 0; i < kCount; ++i) {
    codes[i] = L::select(is_flat, L::set(-most), signed_code<L>(best_inverse * x[i], most));
  }
  return L::select(is_flat, zero, best_scale);
}

// The state of descent().
template <class L, int kCount>
struct Descent {
  using F = typename L::F;
  const F* x;
  F* codes;
  F sum_lx;
  F sum_l2;
  F w[kCount];
  F weighted[kCount];
  typename L::M is_flat;

  void begin(const F* values, F* to, float most) {
    x = values;
    codes = to;
    F magnitude;
    const F inverse = L::set(-most) / largest_of<L, kCount>(x, magnitude);
    is_flat = L::less(magnitude, L::set(kSmallest));
    sum_lx = L::set(0);
    sum_l2 = L::set(0);
    for (int i = 0; i < kCount; ++i) {
      w[i] = x[i] * x[i];
      weighted[i] = w[i] * x[i];
      codes[i] = signed_code<L>(inverse * x[i], most);
      sum_lx = sum_lx + weighted[i] * codes[i];
      sum_l2 = sum_l2 + w[i] * codes[i] * codes[i];
    }
  }

  bool move(int i, float most) {
    const F zero = L::set(0);
    const F without_lx = sum_lx - weighted[i] * codes[i];
    const F without_l2 = sum_l2 - w[i] * codes[i] * codes[i];
    const F code = signed_code<L>(x[i] * without_l2 / without_lx, most);
    const F with_lx = without_lx + weighted[i] * code;
    const F with_l2 = without_l2 + w[i] * code * code;
    auto moves = L::both(L::less(zero, without_lx), L::differ(code, codes[i]));
    moves = L::both(moves, L::less(zero, with_l2));
    moves = L::both(moves, L::less(sum_lx * sum_lx * with_l2, with_lx * with_lx * sum_l2));
    codes[i] = L::select(moves, code, codes[i]);
    sum_lx = L::select(moves, with_lx, sum_lx);
    sum_l2 = L::select(moves, with_l2, sum_l2);
    return L::any(moves);
  }

  // Gives the scale.
  F end(float most) {
    const F zero = L::set(0);
    for (int i = 0; i < kCount; ++i) codes[i] = L::select(is_flat, L::set(-most), codes[i]);
    const F scale = L::select(L::less(zero, sum_l2), sum_lx / sum_l2, zero);
    return L::select(is_flat, zero, scale);
  }
};

// The same range of codes, weighted by squares; each code in turn is moved to where the error is
// least as long as that helps. A move waits for the one before, so several tiles take turns.
template <class L, int kCount, int kTiles>
inline void descend(Descent<L, kCount>* tiles, float most) {
  constexpr int kRounds = 5;
  for (int round = 0; round < kRounds; ++round) {
    bool is_changed = false;
    for (int i = 0; i < kCount; ++i) {
      for (int t = 0; t < kTiles; ++t) is_changed = tiles[t].move(i, most) || is_changed;
    }
    if (!is_changed) break;
  }
}

// Codes from 0 to `most` of numbers that are not below 0, with no minimum; gives the scale.
inline float positive(const float* x, const float* w, int count, float most, float* codes) {
  constexpr int kTries = 4;  // on either side
  constexpr int kRounds = 5;
  float high = 0;
  for (int i = 0; i < count; ++i) high = OneLane::greater(high, x[i]);
  for (int i = 0; i < count; ++i) codes[i] = 0;
  if (high < kSmallest) return 0;
  const auto error_of = [&](float inverse) {
    const float scale = 1 / inverse;
    float error = 0;
    for (int i = 0; i < count; ++i) {
      const float off = x[i] - scale * OneLane::lesser(most, OneLane::nearest(inverse * x[i]));
      error += w[i] * off * off;
    }
    return error;
  };
  float inverse = most / high;
  float least = error_of(inverse);
  for (int round = -kTries; round <= kTries; ++round) {
    if (round == 0) continue;
    const float tried = (0.1F * static_cast<float>(round) + most) / high;
    const float error = error_of(tried);
    if (error >= least) continue;
    least = error;
    inverse = tried;
  }
  float sum_lx = 0;
  float sum_l2 = 0;
  for (int i = 0; i < count; ++i) {
    codes[i] = OneLane::lesser(most, OneLane::nearest(inverse * x[i]));
    sum_lx += w[i] * x[i] * codes[i];
    sum_l2 += w[i] * codes[i] * codes[i];
  }
  for (int round = 0; round < kRounds; ++round) {
    bool is_changed = false;
    for (int i = 0; i < count; ++i) {
      float with_lx = sum_lx - w[i] * x[i] * codes[i];
      float with_l2 = sum_l2 - w[i] * codes[i] * codes[i];
      if (!(with_lx > 0 && with_l2 > 0)) continue;
      const float code = OneLane::lesser(most, OneLane::nearest(x[i] * with_l2 / with_lx));
      if (code == codes[i]) continue;
      with_lx += w[i] * x[i] * code;
      with_l2 += w[i] * code * code;
      if (!(with_lx * with_lx * sum_l2 > sum_lx * sum_lx * with_l2)) continue;
      codes[i] = code;
      sum_lx = with_lx;
      sum_l2 = with_l2;
      is_changed = true;
    }
    if (!is_changed) break;
  }
  return sum_l2 > 0 ? sum_lx / sum_l2 : 0;
}

// The scale over the 16 values of IQ4.
template <class L, int kCount>
inline typename L::F nonlinear(const typename L::F* x, const typename L::F* w) {
  using F = typename L::F;
  constexpr int kTries = 7;
  constexpr float kLowest = -127;
  const F zero = L::set(0);
  F magnitude;
  const F largest = largest_of<L, kCount>(x, magnitude);
  const auto sums = [&](F inverse, F& sum_qx, F& sum_q2) {
    sum_qx = zero;
    sum_q2 = zero;
    for (int i = 0; i < kCount; ++i) {
      const F value = L::nonlinear_value(inverse * x[i]);
      const F weighted = w[i] * value;
      sum_qx = sum_qx + weighted * x[i];
      sum_q2 = sum_q2 + weighted * value;
    }
  };
  F sum_qx;
  F sum_q2;
  sums(L::set(1) / ((zero - largest) / L::set(kLowest)), sum_qx, sum_q2);
  F scale = L::select(L::less(zero, sum_q2), sum_qx / sum_q2, zero);
  F best = scale * sum_qx;
  for (int round = -kTries; round <= kTries; ++round) {
    sums(L::set(static_cast<float>(round) + kLowest) / largest, sum_qx, sum_q2);
    const auto is_better = L::both(L::less(zero, sum_q2), L::less(best * sum_q2, sum_qx * sum_qx));
    const F quotient = sum_qx / sum_q2;
    scale = L::select(is_better, quotient, scale);
    best = L::select(is_better, quotient * sum_qx, best);
  }
  return L::select(L::less(magnitude, L::set(kSmallest)), zero, scale);
}

}  // namespace
}  // namespace requant::kernel
