#pragma once

#include "kernel/awq.h"
#include "kernel/cpu/simd.h"

namespace requant::kernel {
namespace {

// The words of a tile's outputs, for each of some inputs, in a buffer: stripes of 16 bytes, each
// the words of 32 outputs and the width of a transposition. A few cache lines of each input, so
// that the memory's own read-ahead follows; the room between inputs keeps them from sharing places
// in the cache.
constexpr std::int64_t kStripe = 32;
constexpr std::int64_t kTileOutputs = 512;
constexpr std::int64_t kLine = kTileOutputs / 2;
constexpr std::int64_t kPitch = kLine + 64;

struct Tile {
  std::int64_t input;
  std::int64_t inputs;
  std::int64_t output;
  std::int64_t outputs;
};

// Calls visit(Tile) for tiles of at most kInputs x kTileOutputs, along the inputs first.
template <std::int64_t kInputs, class Visit>
inline void for_each_tile(std::int64_t inputs, std::int64_t outputs, Visit visit) {
  for (std::int64_t output = 0; output < outputs; output += kTileOutputs) {
    for (std::int64_t input = 0; input < inputs; input += kInputs) {
      Tile tile;
      tile.input = input;
      tile.inputs = inputs - input < kInputs ? inputs - input : kInputs;
      tile.output = output;
      tile.outputs = outputs - output < kTileOutputs ? outputs - output : kTileOutputs;
      visit(tile);
    }
  }
}

// Words [inputs, outputs / 8] -> the buffer.
inline void read_words(const std::uint8_t* words, std::int64_t outputs, const Tile& tile,
                       std::uint8_t* buffer) {
  for (std::int64_t i = 0; i < tile.inputs; ++i) {
    const std::uint8_t* from = words + (tile.input + i) * (outputs / 2) + tile.output / 2;
    if (tile.outputs == kTileOutputs) {
      __builtin_memcpy(buffer + i * kPitch, from, kLine);
    } else {
      __builtin_memcpy(buffer + i * kPitch, from, static_cast<unsigned long>(tile.outputs / 2));
    }
  }
}

inline void write_words(const std::uint8_t* buffer, const Tile& tile, std::uint8_t* words,
                        std::int64_t outputs, const Sink& sink) {
  for (std::int64_t i = 0; i < tile.inputs; ++i) {
    std::uint8_t* to = words + (tile.input + i) * (outputs / 2) + tile.output / 2;
    sink.copy(to, buffer + i * kPitch, tile.outputs / 2);
  }
}

// Which output of a tile nibble `nibble` of stripe `stripe` is.
inline std::int64_t output_of(std::int64_t stripe, std::int64_t nibble, const AwqOrder& order) {
  return stripe * kStripe + nibble / 8 * 8 + order[nibble % 8];
}

// A register of which only `bytes` may be read.
inline V load_first(const std::uint8_t* from, std::int64_t bytes) {
  if (bytes >= kBytes) return load(from);
  std::uint8_t copy[kBytes] = {};
  if (bytes > 0) __builtin_memcpy(copy, from, static_cast<unsigned long>(bytes));
  return load(copy);
}

// A cache line of which only `bytes` may be written.
template <int kParts>
inline void store_first(const V parts[kParts], std::uint8_t* to, std::int64_t bytes,
                        const Sink& sink) {
  if (bytes >= kCacheLine) {
    for (int part = 0; part < kParts; ++part) sink.put(to + part * kBytes, parts[part]);
    return;
  }
  std::uint8_t copy[kCacheLine];
  for (int part = 0; part < kParts; ++part) store(copy + part * kBytes, parts[part]);
  sink.copy(to, copy, bytes);
}

inline V low_nibbles(V bytes) { return and_(bytes, fill8(0xF)); }
inline V high_nibbles(V bytes) { return and_(right16(bytes, 4), fill8(0xF)); }
// The nibbles of `low` below those of `high`, both less than 16.
inline V join_nibbles(V low, V high) { return or_(low, left16(high, 4)); }

}  // namespace
}  // namespace requant::kernel
