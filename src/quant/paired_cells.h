#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "quant/row_reader.h"

namespace requant {

// What is known already of the elements of two weights: an element is its cell and its code, and
// most pairs of them come again and again. Keeps what was told of the last pairs of cells.
class PairedCells {
 public:
  // Of one pair of cells, by the first one's code.
  class Seen {
   public:
    enum class Kept : std::uint8_t { kNothing, kFalse, kTrue };

    // What was kept for the two codes.
    Kept find(std::uint8_t a, std::uint8_t b) const {
      return others_[a] == b ? kept_[a] : Kept::kNothing;
    }
    void keep(std::uint8_t a, std::uint8_t b, bool what) {
      others_[a] = b;
      kept_[a] = what ? Kept::kTrue : Kept::kFalse;
    }
    void forget() { kept_ = {}; }

   private:
    std::array<std::uint8_t, 256> others_ = {};
    std::array<Kept, 256> kept_ = {};
  };

  // Valid until the next call.
  Seen& of(const ScaleCell& a, const ScaleCell& b) {
    if (pairs_.empty()) pairs_.resize(std::size_t{1} << kPlaceBits);
    Pair& pair = pairs_[place(a, b)];
    if (!(pair.a == a && pair.b == b)) {
      pair.a = a;
      pair.b = b;
      pair.seen.forget();
    }
    return pair.seen;
  }

 private:
  struct Pair {
    ScaleCell a;
    ScaleCell b;
    Seen seen;
  };
  static constexpr int kPlaceBits = 12;

  // Every bit of `word` reaches the upper ones: those of few digits have their lower bits clear.
  static std::uint64_t mix(std::uint64_t word) {
    constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15;  // 2^64 over the golden ratio
    return (word ^ (word >> 32)) * kOdd;
  }
  static std::uint64_t mix(std::uint64_t start, const ScaleCell& cell) {
    for (const double part : {cell.scale, cell.outer, cell.zero, cell.addend, cell.divisor}) {
      start = mix(start ^ std::bit_cast<std::uint64_t>(part));
    }
    return start;
  }
  static std::size_t place(const ScaleCell& a, const ScaleCell& b) {
    return mix(mix(0, a), b) >> (64 - kPlaceBits);
  }

  std::vector<Pair> pairs_;  // empty until the first is asked for
};

}  // namespace requant
