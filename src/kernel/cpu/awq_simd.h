#pragma once

#include "kernel/cpu/awq_tile_simd.h"

namespace requant::kernel {
namespace {

constexpr int kParts = 4 / kLanes;  // registers of a cache line

// The first two rounds of a transposition, for 16 x kLanes inputs.
inline void gather_inputs(const std::uint8_t* from, V* bytes) {
  for (int i = 0; i < 4; ++i) {
    V rows[4];
    for (int j = 0; j < 4; ++j) {
      rows[j] = load_lanes(from + (i + 4 * j) * kPitch, 16 * kPitch);
    }
    shuffle_twice<1>(rows[0], rows[1], rows[2], rows[3], bytes + 4 * i);
  }
}

// A cache line of codes of each of the 32 outputs of a stripe.
inline void unpack_stripe(const UnpackAwq& p, const Tile& tile, std::int64_t stripe,
                          std::int64_t input, const std::uint8_t* buffer, const Sink& sink) {
  const V flip = fill8(p.flip);
  const V bias = fill8(8);
  V gathered[kParts][16];
  for (int part = 0; part < kParts; ++part) {
    const std::int64_t first = input + part * kBytes;
    gather_inputs(buffer + first * kPitch + stripe * kLaneBytes, gathered[part]);
  }
  std::uint8_t* codes = p.codes + tile.output * p.inputs + tile.input + input;
  for (int i = 0; i < 4; ++i) {
    V bytes[kParts][4];
    for (int part = 0; part < kParts; ++part) {
      const V* from = gathered[part] + i;
      shuffle_twice<1>(from[0], from[4], from[8], from[12], bytes[part]);
    }
    for (int j = 0; j < 4; ++j) {
      const std::int64_t nibble = 8 * i + 2 * j;
      if (output_of(stripe, nibble, p.order) >= tile.outputs) break;
      V low[kParts];
      V high[kParts];
      for (int part = 0; part < kParts; ++part) {
        low[part] = sub8(xor_(low_nibbles(bytes[part][j]), flip), bias);
        high[part] = sub8(xor_(high_nibbles(bytes[part][j]), flip), bias);
      }
      const std::int64_t left = tile.inputs - input;
      store_first<kParts>(low, codes + output_of(stripe, nibble, p.order) * p.inputs, left, sink);
      store_first<kParts>(high, codes + output_of(stripe, nibble + 1, p.order) * p.inputs, left,
                          sink);
    }
  }
}

inline void unpack(const UnpackAwq& p) {
  constexpr std::int64_t kInputs = 256;
  alignas(64) std::uint8_t buffer[kInputs * kPitch];
  const Sink sink(p.codes, p.inputs, p.inputs * p.outputs);
  for_each_tile<kInputs>(p.inputs, p.outputs, [&](const Tile& tile) {
    read_words(p.words, p.outputs, tile, buffer);
    for (std::int64_t stripe = 0; stripe * kStripe < tile.outputs; ++stripe) {
      for (std::int64_t input = 0; input < tile.inputs; input += kCacheLine) {
        unpack_stripe(p, tile, stripe, input, buffer, sink);
      }
    }
  });
}

// kBytes inputs of the 32 outputs of a stripe -> 16 bytes in as many lines of the buffer.
inline void pack_stripe(const PackAwq& p, const Tile& tile, std::int64_t stripe, std::int64_t input,
                        std::uint8_t* buffer, V& dropped) {
  const V bias = fill8(8);
  V rows[16];
#pragma GCC unroll 16
  for (int byte = 0; byte < 16; ++byte) {
    V halves[2];
    for (int half = 0; half < 2; ++half) {
      const std::int64_t output = output_of(stripe, 2 * byte + half, p.order);
      const std::uint8_t* from = p.codes + (tile.output + output) * p.inputs + tile.input + input;
      const bool there = output < tile.outputs;
      const V codes = there ? load_first(from, tile.inputs - input) : zero();
      const V fields = add8(codes, bias);
      dropped = or_(dropped, and_not(fields, fill8(0xF)));
      halves[half] = low_nibbles(fields);
    }
    rows[byte] = join_nibbles(halves[0], halves[1]);
  }
  transpose_lanes<1>(rows);
  std::uint8_t* to = buffer + input * kPitch + stripe * kLaneBytes;
  for (int i = 0; i < 16; ++i) store_lanes(to + i * kPitch, 16 * kPitch, rows[i]);
}

inline bool pack(const PackAwq& p) {
  constexpr std::int64_t kInputs = 256;
  alignas(64) std::uint8_t buffer[kInputs * kPitch];
  const Sink sink(p.words, p.outputs / 2, p.inputs * p.outputs / 2);
  V dropped = zero();
  for_each_tile<kInputs>(p.inputs, p.outputs, [&](const Tile& tile) {
    for (std::int64_t stripe = 0; stripe * kStripe < tile.outputs; ++stripe) {
      for (std::int64_t input = 0; input < tile.inputs; input += kBytes) {
        pack_stripe(p, tile, stripe, input, buffer, dropped);
      }
    }
    write_words(buffer, tile, p.words, p.outputs, sink);
  });
  return !any(dropped);
}

}  // namespace
}  // namespace requant::kernel
