#pragma once

#include "kernel/cpu/awq_tile_simd.h"

namespace requant::kernel {
namespace {

// A line of each output's row holds 128 inputs; two of them share a byte, which is put together
// before the bytes are transposed.
constexpr std::int64_t kRowInputs = 128;
constexpr int kRowParts = 4 / kLanes;  // registers of a line

// The first two rounds of both transpositions, for 32 x kLanes inputs: row i of the low nibbles is
// made of those of inputs 2i and 2i + 1.
inline void join_inputs(const std::uint8_t* from, V* low, V* high) {
  for (int i = 0; i < 4; ++i) {
    V lows[4];
    V highs[4];
    for (int j = 0; j < 4; ++j) {
      const std::uint8_t* pair = from + (i + 4 * j) * 2 * kPitch;
      const V even = load_lanes(pair, 32 * kPitch);
      const V odd = load_lanes(pair + kPitch, 32 * kPitch);
      lows[j] = join_nibbles(low_nibbles(even), low_nibbles(odd));
      highs[j] = or_(high_nibbles(even), and_(odd, fill8(0xF0)));
    }
    shuffle_twice<1>(lows[0], lows[1], lows[2], lows[3], low + 4 * i);
    shuffle_twice<1>(highs[0], highs[1], highs[2], highs[3], high + 4 * i);
  }
}

// kRowInputs inputs of the 32 outputs of a stripe.
inline void turn_stripe(const AwqToRows& p, const Tile& tile, std::int64_t stripe,
                        std::int64_t input, const std::uint8_t* buffer, const Sink& sink) {
  V halves[2][kRowParts][16];
  for (int part = 0; part < kRowParts; ++part) {
    const std::int64_t first = input + part * 2 * kBytes;
    join_inputs(buffer + first * kPitch + stripe * kLaneBytes, halves[0][part], halves[1][part]);
  }
  std::uint8_t* rows = p.rows + tile.output * (p.inputs / 2) + (tile.input + input) / 2;
  for (int i = 0; i < 4; ++i) {
    for (int half = 0; half < 2; ++half) {
      V lines[kRowParts][4];
      for (int part = 0; part < kRowParts; ++part) {
        const V* from = halves[half][part] + i;
        shuffle_twice<1>(from[0], from[4], from[8], from[12], lines[part]);
      }
      for (int j = 0; j < 4; ++j) {
        const std::int64_t output = output_of(stripe, 8 * i + 2 * j + half, p.order);
        if (output >= tile.outputs) break;
        V line[kRowParts];
        for (int part = 0; part < kRowParts; ++part) line[part] = lines[part][j];
        store_first<kRowParts>(line, rows + output * (p.inputs / 2), (tile.inputs - input) / 2,
                               sink);
      }
    }
  }
}

inline void to_rows(const AwqToRows& p) {
  constexpr std::int64_t kInputs = 2 * kRowInputs;
  alignas(64) std::uint8_t buffer[kInputs * kPitch];
  const Sink sink(p.rows, p.inputs / 2, p.inputs * p.outputs / 2, p.differs);
  for_each_tile<kInputs>(p.inputs, p.outputs, [&](const Tile& tile) {
    read_words(p.words, p.outputs, tile, buffer);
    for (std::int64_t stripe = 0; stripe * kStripe < tile.outputs; ++stripe) {
      for (std::int64_t input = 0; input < tile.inputs; input += kRowInputs) {
        turn_stripe(p, tile, stripe, input, buffer, sink);
      }
    }
  });
}

// 2 x kBytes inputs of the 32 outputs of a stripe -> 16 bytes in as many lines of the buffer.
inline void turn_rows(const RowsToAwq& p, const Tile& tile, std::int64_t stripe, std::int64_t input,
                      std::uint8_t* buffer) {
  V rows[2][16];
  for (int byte = 0; byte < 16; ++byte) {
    for (int half = 0; half < 2; ++half) {
      const std::int64_t output = output_of(stripe, 2 * byte + half, p.order);
      const std::uint8_t* from =
          p.rows + (tile.output + output) * (p.inputs / 2) + (tile.input + input) / 2;
      const bool there = output < tile.outputs;
      rows[half][byte] = there ? load_first(from, (tile.inputs - input) / 2) : zero();
    }
  }
  transpose_lanes<1>(rows[0]);
  transpose_lanes<1>(rows[1]);
  std::uint8_t* to = buffer + input * kPitch + stripe * kLaneBytes;
  for (int i = 0; i < 16; ++i, to += 2 * kPitch) {
    const V low = rows[0][i];
    const V high = rows[1][i];
    store_lanes(to, 32 * kPitch, join_nibbles(low_nibbles(low), low_nibbles(high)));
    store_lanes(to + kPitch, 32 * kPitch, or_(high_nibbles(low), and_(high, fill8(0xF0))));
  }
}

inline void from_rows(const RowsToAwq& p) {
  constexpr std::int64_t kInputs = 2 * kRowInputs;
  alignas(64) std::uint8_t buffer[kInputs * kPitch];
  const Sink sink(p.words, p.outputs / 2, p.inputs * p.outputs / 2, p.differs);
  for_each_tile<kInputs>(p.inputs, p.outputs, [&](const Tile& tile) {
    for (std::int64_t stripe = 0; stripe * kStripe < tile.outputs; ++stripe) {
      for (std::int64_t input = 0; input < tile.inputs; input += 2 * kBytes) {
        turn_rows(p, tile, stripe, input, buffer);
      }
    }
    write_words(buffer, tile, p.words, p.outputs, sink);
  });
}

}  // namespace
}  // namespace requant::kernel
