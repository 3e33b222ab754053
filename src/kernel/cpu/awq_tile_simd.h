#pragma once

#include "kernel/awq.h"
#include "kernel/cpu/simd.h"

namespace requant::kernel {
namespace {

// The words of 32 outputs are a stripe: 16 bytes, the width of a transposition. A tile is some
// cache lines of the words of each of its inputs, which is what memory reads and writes at full
// speed.
constexpr std::int64_t kStripe = 32;
constexpr std::int64_t kTileOutputs = 512;
constexpr std::int64_t kStripes = kTileOutputs / kStripe;

constexpr std::int64_t kFetched = 32;  // inputs ahead

struct Tile {
  std::int64_t input;
  std::int64_t inputs;
  std::int64_t output;
  std::int64_t outputs;
};

// A stripe of a tile.
struct Stripe {
  std::int64_t output;   // the first
  std::int64_t outputs;  // that there are
};

template <std::int64_t kInputs>
inline Tile tile_at(std::int64_t inputs, std::int64_t outputs, std::int64_t input,
                    std::int64_t output) {
  Tile tile;
  tile.input = input;
  tile.inputs = inputs - input < kInputs ? inputs - input : kInputs;
  tile.output = output;
  tile.outputs = outputs - output < kTileOutputs ? outputs - output : kTileOutputs;
  return tile;
}

// Calls visit(Tile, the one after it) for tiles of at most kInputs x kTileOutputs, along the inputs
// first; behind the last inputs is a tile without any.
template <std::int64_t kInputs, class Visit>
inline void for_each_tile(std::int64_t inputs, std::int64_t outputs, Visit visit) {
  for (std::int64_t output = 0; output < outputs; output += kTileOutputs) {
    Tile tile = tile_at<kInputs>(inputs, outputs, 0, output);
    while (tile.inputs > 0) {
      const Tile next = tile_at<kInputs>(inputs, outputs, tile.input + tile.inputs, output);
      visit(tile, next);
      tile = next;
    }
  }
}

// Calls visit(Stripe, its place in the tile).
template <class Visit>
inline void for_each_stripe(const Tile& tile, Visit visit) {
  for (std::int64_t i = 0; i * kStripe < tile.outputs; ++i) {
    const std::int64_t left = tile.outputs - i * kStripe;
    visit(Stripe{tile.output + i * kStripe, left < kStripe ? left : kStripe}, i);
  }
}

// The words of a tile, those of a stripe together: its 16 bytes of each input.
template <std::int64_t kInputs>
struct TileWords {
  static constexpr std::int64_t kPitch = kInputs * kLaneBytes + kCacheLine;
  alignas(64) std::uint8_t bytes[kStripes * kPitch];

  std::uint8_t* stripe(std::int64_t i) { return bytes + i * kPitch; }
  const std::uint8_t* stripe(std::int64_t i) const { return bytes + i * kPitch; }

  // The inputs of a tile from `first` on, from words [inputs, outputs / 8]. What comes some inputs
  // later is fetched: not more, as inputs a power of two apart share their places in the cache.
  void read(const std::uint8_t* words, std::int64_t outputs, const Tile& tile, std::int64_t first,
            std::int64_t count) {
    const std::int64_t last = first + count < tile.inputs ? first + count : tile.inputs;
    const std::int64_t whole = tile.outputs / kStripe;
    const auto rest = static_cast<unsigned long>(tile.outputs % kStripe / 2);
    for (std::int64_t i = first; i < last; ++i) {
      const std::uint8_t* from = words + ((tile.input + i) * outputs + tile.output) / 2;
      if (i + kFetched < tile.inputs) fetch(from + kFetched * outputs / 2, tile.outputs / 2);
      std::uint8_t* to = bytes + i * kLaneBytes;
      for (std::int64_t stripe = 0; stripe < whole; ++stripe) {
        store_lane(to + stripe * kPitch, load_lane(from + stripe * kLaneBytes));
      }
      if (rest > 0) __builtin_memcpy(to + whole * kPitch, from + whole * kLaneBytes, rest);
    }
  }

  void write(std::uint8_t* words, std::int64_t outputs, const Tile& tile, const Sink& sink) const {
    for (std::int64_t i = 0; i < tile.inputs; ++i) {
      alignas(64) std::uint8_t line[kStripes * kLaneBytes];
      const std::uint8_t* from = bytes + i * kLaneBytes;
      for (std::int64_t stripe = 0; stripe < kStripes; ++stripe) {
        store_lane(line + stripe * kLaneBytes, load_lane(from + stripe * kPitch));
      }
      sink.copy(words + ((tile.input + i) * outputs + tile.output) / 2, line, tile.outputs / 2);
    }
  }
};

// kRowBytes of the rows of a stripe's outputs: between memory and the transposition, as rows that
// are a power of two apart share their places in the cache.
template <std::int64_t kRowBytes>
struct StripeRows {
  static constexpr std::int64_t kPitch = kRowBytes + kCacheLine;
  alignas(64) std::uint8_t bytes[kStripe * kPitch];

  std::uint8_t* row(std::int64_t output) { return bytes + output * kPitch; }
  const std::uint8_t* row(std::int64_t output) const { return bytes + output * kPitch; }

  // `size` bytes of each row.
  void read(const std::uint8_t* from, std::int64_t stride, std::int64_t outputs,
            std::int64_t size) {
    for (std::int64_t i = 0; i < outputs; ++i, from += stride) {
      if (size == kRowBytes) {
        __builtin_memcpy(row(i), from, kRowBytes);
      } else {
        __builtin_memcpy(row(i), from, static_cast<unsigned long>(size));
      }
    }
  }
};

// Rows of stripes that are written while those of the next are made: memory and processor work at
// once.
template <std::int64_t kRowBytes>
class RowWriter {
 public:
  explicit RowWriter(const Sink& sink) : sink_(sink) {}
  RowWriter(const RowWriter&) = delete;
  RowWriter& operator=(const RowWriter&) = delete;
  ~RowWriter() { write_some(kStripe); }

  // What is made now.
  std::uint8_t* rows() { return halves_[current_].bytes; }

  void write_some(std::int64_t rows) {
    const StripeRows<kRowBytes>& from = halves_[1 - current_];
    for (; rows > 0 && row_ < outputs_; --rows, ++row_, to_ += stride_) {
      sink_.copy(to_, from.row(row_), size_);
    }
  }

  // They are made: `size` bytes of each go to rows at `stride` of each other.
  void made(std::uint8_t* to, std::int64_t stride, std::int64_t outputs, std::int64_t size) {
    write_some(kStripe);
    current_ = 1 - current_;
    to_ = to;
    stride_ = stride;
    outputs_ = outputs;
    size_ = size;
    row_ = 0;
  }

 private:
  const Sink& sink_;
  StripeRows<kRowBytes> halves_[2];
  int current_ = 0;
  std::uint8_t* to_ = nullptr;
  std::int64_t stride_ = 0;
  std::int64_t outputs_ = 0;
  std::int64_t size_ = 0;
  std::int64_t row_ = 0;
};

// Tiles of words whose inputs are read while those before them are turned, kInputs x kTileOutputs
// in steps of kStep inputs of a stripe.
template <std::int64_t kInputs, std::int64_t kStep>
struct WordReader {
  TileWords<kInputs> halves[2];
  int current = 0;

  // Calls turn(the words of a step, its first input) for each step of each stripe, and
  // done(Tile, Stripe) behind it.
  template <class Turn, class Done>
  void run(const std::uint8_t* words, std::int64_t inputs, std::int64_t outputs, Turn turn,
           Done done) {
    constexpr std::int64_t kShare = kStep / kStripes;  // of the next tile, for each step
    for_each_tile<kInputs>(inputs, outputs, [&](const Tile& tile, const Tile& next) {
      if (tile.input == 0) halves[current].read(words, outputs, tile, 0, tile.inputs);
      TileWords<kInputs>& ahead = halves[1 - current];
      std::int64_t read = 0;
      for_each_stripe(tile, [&](const Stripe& stripe, std::int64_t place) {
        const std::uint8_t* from = halves[current].stripe(place);
        for (std::int64_t input = 0; input < tile.inputs; input += kStep, read += kShare) {
          ahead.read(words, outputs, next, read, kShare);
          turn(from + input * kLaneBytes, input);
        }
        done(tile, stripe);
      });
      ahead.read(words, outputs, next, read, next.inputs);
      current = 1 - current;
    });
  }
};

// The rows that StripeRows reads after those of a stripe, to be fetched a few at a time.
struct RowsAhead {
  const std::uint8_t* at;
  std::int64_t stride;
  std::int64_t bytes;
  std::int64_t left;

  void fetch_some(std::int64_t rows) {
    for (; rows > 0 && left > 0; --rows, --left, at += stride) fetch(at, bytes);
  }
};

// Of rows of `stride` bytes, kCodesInByte inputs in each.
template <std::int64_t kCodesInByte>
inline RowsAhead rows_after(const std::uint8_t* rows, std::int64_t stride, const Tile& tile,
                            const Tile& next, const Stripe& stripe) {
  const std::int64_t behind = tile.output + tile.outputs - stripe.output - stripe.outputs;
  const Tile& where = behind > 0 ? tile : next;
  const std::int64_t output = behind > 0 ? stripe.output + stripe.outputs : tile.output;
  return {rows + output * stride + where.input / kCodesInByte, stride, where.inputs / kCodesInByte,
          behind > 0 && behind < kStripe ? behind : kStripe};
}

// Where StripeRows keeps the row of each nibble of a stripe.
template <std::int64_t kRowBytes>
struct NibblePlaces {
  explicit NibblePlaces(const AwqOrder& order) {
    for (std::int64_t i = 0; i < kStripe; ++i) {
      place[i] = (i / 8 * 8 + order[i % 8]) * StripeRows<kRowBytes>::kPitch;
    }
  }
  std::int64_t place[kStripe];
};

inline V low_nibbles(V bytes) { return and_(bytes, fill8(0xF)); }
inline V high_nibbles(V bytes) { return and_(right16(bytes, 4), fill8(0xF)); }
// The nibbles of `low` below those of `high`, both less than 16.
inline V join_nibbles(V low, V high) { return or_(low, left16(high, 4)); }

}  // namespace
}  // namespace requant::kernel
