#pragma once

#include "kernel/cpu/awq_tile_simd.h"

namespace requant::kernel {
namespace {

constexpr std::int64_t kCodesAtOnce = 256;
using CodePlaces = NibblePlaces<kCodesAtOnce>;

// kBytes inputs of a stripe: their words -> codes of each output, from `codes` on.
inline void unpack_stripe(const std::uint8_t* words, const CodePlaces& places, V flip,
                          std::uint8_t* codes) {
  const V bias = fill8(8);
  V bytes[16];
  for (int i = 0; i < 16; ++i) bytes[i] = load_lanes(words + i * kLaneBytes, 16 * kLaneBytes);
  transpose_lanes<1>(bytes);
  for (int byte = 0; byte < 16; ++byte) {
    const V low = sub8(xor_(low_nibbles(bytes[byte]), flip), bias);
    const V high = sub8(xor_(high_nibbles(bytes[byte]), flip), bias);
    store(codes + places.place[2 * byte], low);
    store(codes + places.place[2 * byte + 1], high);
  }
}

inline void unpack(const UnpackAwq& p) {
  const Sink sink(p.codes, p.inputs, p.inputs * p.outputs);
  RowWriter<kCodesAtOnce> codes(sink);
  WordReader<kCodesAtOnce, kBytes> reader;
  const CodePlaces places(p.order);
  const V flip = fill8(p.flip);
  const auto turn = [&](const std::uint8_t* words, std::int64_t input) {
    codes.write_some(kStripe * kBytes / kCodesAtOnce);
    unpack_stripe(words, places, flip, codes.rows() + input);
  };
  const auto done = [&](const Tile& tile, const Stripe& stripe) {
    codes.made(p.codes + stripe.output * p.inputs + tile.input, p.inputs, stripe.outputs,
               tile.inputs);
  };
  reader.run(p.words, p.inputs, p.outputs, turn, done);
}

// And back; gives what was dropped.
inline V pack_stripe(const std::uint8_t* codes, const CodePlaces& places, std::uint8_t* words) {
  const V bias = fill8(8);
  V fields = zero();
  V bytes[16];
  for (int byte = 0; byte < 16; ++byte) {
    const V low = add8(load(codes + places.place[2 * byte]), bias);
    const V high = add8(load(codes + places.place[2 * byte + 1]), bias);
    fields = or_(fields, or_(low, high));
    bytes[byte] = join_nibbles(low_nibbles(low), low_nibbles(high));
  }
  transpose_lanes<1>(bytes);
  for (int i = 0; i < 16; ++i) store_lanes(words + i * kLaneBytes, 16 * kLaneBytes, bytes[i]);
  return and_not(fields, fill8(0xF));
}

inline bool pack(const PackAwq& p) {
  const Sink sink(p.words, p.outputs / 2, p.inputs * p.outputs / 2);
  TileWords<kCodesAtOnce> words;
  StripeRows<kCodesAtOnce> codes;
  const CodePlaces places(p.order);
  V dropped = zero();
  for_each_tile<kCodesAtOnce>(p.inputs, p.outputs, [&](const Tile& tile, const Tile& next) {
    for_each_stripe(tile, [&](const Stripe& stripe, std::int64_t place) {
      if (tile.inputs % kBytes != 0 || stripe.outputs < kStripe) {
        __builtin_memset(codes.bytes, 0, sizeof codes.bytes);  // codes that fit
      }
      codes.read(p.codes + stripe.output * p.inputs + tile.input, p.inputs, stripe.outputs,
                 tile.inputs);
      RowsAhead ahead = rows_after<1>(p.codes, p.inputs, tile, next, stripe);
      std::uint8_t* to = words.stripe(place);
      for (std::int64_t input = 0; input < tile.inputs; input += kBytes) {
        ahead.fetch_some(kStripe * kBytes / kCodesAtOnce);
        dropped = or_(dropped, pack_stripe(codes.bytes + input, places, to + input * kLaneBytes));
      }
    });
    words.write(p.words, p.outputs, tile, sink);
  });
  return !any(dropped);
}

}  // namespace
}  // namespace requant::kernel
