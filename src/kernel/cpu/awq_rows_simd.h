#pragma once

#include "kernel/cpu/awq_tile_simd.h"

namespace requant::kernel {
namespace {

// Two inputs share a byte of a row, which is put together before the bytes are transposed.
constexpr std::int64_t kWordsAtOnce = 1024;  // inputs of a tile that is made into rows
constexpr std::int64_t kRowsAtOnce = 512;    // and of one that is made into words

// 2 x kBytes inputs of a stripe: their words -> kBytes of the row of each output, from `rows` on.
inline void turn_words(const std::uint8_t* words, const NibblePlaces<kWordsAtOnce / 2>& places,
                       std::uint8_t* rows) {
  for (int half = 0; half < 2; ++half) {
    V bytes[16];
    for (int i = 0; i < 16; ++i) {
      const std::uint8_t* pair = words + 2 * i * kLaneBytes;
      const V even = load_lanes(pair, 32 * kLaneBytes);
      const V odd = load_lanes(pair + kLaneBytes, 32 * kLaneBytes);
      bytes[i] = half == 0 ? or_(low_nibbles(even), and_not(left16(odd, 4), fill8(0xF)))
                           : or_(high_nibbles(even), and_not(odd, fill8(0xF)));
    }
    transpose_lanes<1>(bytes);
    for (int i = 0; i < 16; ++i) store(rows + places.place[2 * i + half], bytes[i]);
  }
}

inline void to_rows(const AwqToRows& p) {
  const Sink sink(p.rows, p.inputs / 2, p.inputs * p.outputs / 2, p.differs);
  RowWriter<kWordsAtOnce / 2> rows(sink);
  WordReader<kWordsAtOnce, 2 * kBytes> reader;
  const NibblePlaces<kWordsAtOnce / 2> places(p.order);
  const auto turn = [&](const std::uint8_t* words, std::int64_t input) {
    rows.write_some(kStripe * 2 * kBytes / kWordsAtOnce);
    turn_words(words, places, rows.rows() + input / 2);
  };
  const auto done = [&](const Tile& tile, const Stripe& stripe) {
    rows.made(p.rows + (stripe.output * p.inputs + tile.input) / 2, p.inputs / 2, stripe.outputs,
              tile.inputs / 2);
  };
  reader.run(p.words, p.inputs, p.outputs, turn, done);
}

// And back.
inline void turn_rows(const std::uint8_t* rows, const NibblePlaces<kRowsAtOnce / 2>& places,
                      std::uint8_t* words) {
  V low[16];
  V high[16];
  for (int i = 0; i < 16; ++i) low[i] = load(rows + places.place[2 * i]);
  transpose_lanes<1>(low);
  for (int i = 0; i < 16; ++i) high[i] = load(rows + places.place[2 * i + 1]);
  transpose_lanes<1>(high);
  for (int i = 0; i < 16; ++i) {
    std::uint8_t* pair = words + 2 * i * kLaneBytes;
    const V even = or_(low_nibbles(low[i]), and_not(left16(high[i], 4), fill8(0xF)));
    const V odd = or_(high_nibbles(low[i]), and_not(high[i], fill8(0xF)));
    store_lanes(pair, 32 * kLaneBytes, even);
    store_lanes(pair + kLaneBytes, 32 * kLaneBytes, odd);
  }
}

inline void from_rows(const RowsToAwq& p) {
  const Sink sink(p.words, p.outputs / 2, p.inputs * p.outputs / 2, p.differs);
  TileWords<kRowsAtOnce> words;
  StripeRows<kRowsAtOnce / 2> rows;
  const NibblePlaces<kRowsAtOnce / 2> places(p.order);
  for_each_tile<kRowsAtOnce>(p.inputs, p.outputs, [&](const Tile& tile, const Tile& next) {
    for_each_stripe(tile, [&](const Stripe& stripe, std::int64_t place) {
      rows.read(p.rows + (stripe.output * p.inputs + tile.input) / 2, p.inputs / 2, stripe.outputs,
                tile.inputs / 2);
      RowsAhead ahead = rows_after<2>(p.rows, p.inputs / 2, tile, next, stripe);
      std::uint8_t* to = words.stripe(place);
      for (std::int64_t input = 0; input < tile.inputs; input += 2 * kBytes) {
        ahead.fetch_some(kStripe * 2 * kBytes / kRowsAtOnce);
        turn_rows(rows.bytes + input / 2, places, to + input * kLaneBytes);
      }
    });
    words.write(p.words, p.outputs, tile, sink);
  });
}

}  // namespace
}  // namespace requant::kernel
