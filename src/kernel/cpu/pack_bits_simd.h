#pragma once

#include "kernel/bits.h"
#include "kernel/cpu/planes_simd.h"
#include "kernel/cpu/simd.h"

namespace requant::kernel {
namespace {

// How 16 codes of a lane become 2 x bits bytes: neighbours are joined three times over, into 64
// bits with 8 codes at their low end, and both halves moved together.
struct Packing {
  V weights8;
  V weights16;
  V up;
  V down;
  V compact;
};

inline Packing make_packing(int bits) {
  std::uint8_t places[kBytes];
  for (int i = 0; i < kBytes; ++i) {
    const int byte = i % 16;
    const int from = byte < bits ? byte : 8 + byte - bits;
    places[i] = static_cast<std::uint8_t>(byte < 2 * bits ? from : 0x80);
  }
  const auto unused = static_cast<std::uint32_t>(32 - 4 * bits);
  return {fill16(1 | 256 << bits), fill32(1U | 65536U << (2 * bits)), fill64(unused),
          fill64(unused), load(places)};
}

// Fields of less than 2^bits, a byte each -> the first 2 x bits bytes of each lane.
inline V pack_fields(const Packing& packing, V fields) {
  const V fours = pair_words(packing.weights16, pair_bytes(packing.weights8, fields));
  return shuffle8(right_each64(left_each32(fours, packing.up), packing.down), packing.compact);
}

inline V swap_neighbours(V bytes) { return or_(left16(bytes, 8), right16(bytes, 8)); }

// What becomes of a code, and which bits a field may not have.
struct Field {
  V flip;
  V bias;
  V mask;
  bool high_first;       // the first code of a byte in its high half
  std::uint8_t nothing;  // the code of a field of 0
};

inline Field make_field(int bits, BitOrder order, int flip, int bias) {
  return {fill8(flip), fill8(bias), fill8((1 << bits) - 1), order == BitOrder::kHighNibble,
          static_cast<std::uint8_t>(flip - bias)};
}

inline V to_field(V code, const Field& field, V& dropped) {
  const V bits = xor_(add8(code, field.bias), field.flip);
  dropped = or_(dropped, and_not(bits, field.mask));
  const V kept = and_(bits, field.mask);
  return field.high_first ? swap_neighbours(kept) : kept;
}

// How a row is filled with codes.
struct Packer {
  Field field;
  int bits;
  bool planes;
  Packing packing;
  Planes in_planes;
};

inline Packer make_packer(int bits, BitOrder order, int flip, int bias) {
  Packer packer = {};
  packer.field = make_field(bits, order, flip, bias);
  packer.bits = bits;
  packer.planes = in_planes(bits, order);
  if (packer.planes) {
    packer.in_planes = make_planes();
  } else if (bits < 8) {
    packer.packing = make_packing(bits);
  }
  return packer;
}

// A run of codes, and where it goes.
struct Run {
  const std::uint8_t* codes;
  std::int64_t count;
  std::uint8_t* to;
  std::int64_t bytes;  // what the codes fill, exactly
  std::int64_t room;   // what may be written, if only to be written over
};

// Steps that write(fields, to) makes of as many codes; what is dropped goes to `dropped`. It may
// write kLaneBytes beyond.
template <class Write>
inline V pack_steps(Run run, const Packer& packer, Write write) {
  constexpr std::int64_t kCodes = 16 * kLanes;
  const Field field = packer.field;
  const std::int64_t step_bytes = kCodes * packer.bits / 8;
  V dropped = zero();
  std::int64_t done = 0;
  for (; done + kCodes <= run.count && run.room >= step_bytes + kLaneBytes; done += kCodes) {
    write(to_field(load(run.codes + done), field, dropped), run.to);
    run.to += step_bytes;
    run.room -= step_bytes;
    run.bytes -= step_bytes;
  }
  while (done < run.count) {  // by way of a copy with room behind it
    std::uint8_t last[kCodes];
    const std::int64_t size = run.count - done < kCodes ? run.count - done : kCodes;
    __builtin_memset(last, field.nothing, kCodes);
    __builtin_memcpy(last, run.codes + done, static_cast<unsigned long>(size));
    std::uint8_t packed[kCodes + kLaneBytes];
    write(to_field(load(last), field, dropped), packed);
    const std::int64_t filled = run.bytes < step_bytes ? run.bytes : step_bytes;
    __builtin_memcpy(run.to, packed, static_cast<unsigned long>(filled));
    run.to += filled;
    run.bytes -= filled;
    done += size;
  }
  return dropped;
}

template <int kBits>
inline V pack_planes(const Run& run, const Packer& packer) {
  const Planes planes = packer.in_planes;
  return pack_steps(run, packer,
                    [&](V fields, std::uint8_t* to) { write_planes<kBits>(planes, fields, to); });
}

// 8 bits: as they are.
inline void pack_bytes(const Field& field, const std::uint8_t* codes, std::int64_t count,
                       std::uint8_t* to, const Sink& sink) {
  std::int64_t done = 0;
  for (; done + kBytes <= count; done += kBytes) {
    sink.put(to + done, xor_(add8(load(codes + done), field.bias), field.flip));
  }
  if (done == count) return;
  std::uint8_t last[kBytes] = {};
  __builtin_memcpy(last, codes + done, static_cast<unsigned long>(count - done));
  store(last, xor_(add8(load(last), field.bias), field.flip));
  __builtin_memcpy(to + done, last, static_cast<unsigned long>(count - done));
}

// Gives what was dropped.
inline V pack_run(const Run& run, const Packer& packer, const Sink& sink) {
  if (packer.bits == 8) {
    pack_bytes(packer.field, run.codes, run.count, run.to, sink);
    return zero();
  }
  if (packer.planes) {
    if (packer.bits == 3) return pack_planes<3>(run, packer);
    if (packer.bits == 5) return pack_planes<5>(run, packer);
    if (packer.bits == 6) return pack_planes<6>(run, packer);
    return pack_planes<7>(run, packer);
  }
  const Packing packing = packer.packing;
  const std::int64_t lane_bytes = 2 * packer.bits;
  return pack_steps(run, packer, [&](V fields, std::uint8_t* to) {
    store_lanes(to, lane_bytes, pack_fields(packing, fields));
  });
}

// pack_run() past the cache: whole lines, put together in a buffer first.
inline V pack_streamed(const Run& run, const Packer& packer, const Sink& sink) {
  constexpr std::int64_t kCodes = 4096;  // bits x 512 bytes
  std::uint8_t buffer[kCodes + kLaneBytes];
  const std::int64_t piece = kCodes * packer.bits / 8;
  Run left = run;
  V dropped = zero();
  for (; left.count >= kCodes; left.count -= kCodes) {
    dropped = or_(dropped,
                  pack_run({left.codes, kCodes, buffer, piece, piece + kLaneBytes}, packer, sink));
    sink.copy(left.to, buffer, piece);
    left.codes += kCodes;
    left.to += piece;
    left.bytes -= piece;
    left.room -= piece;
  }
  return left.count == 0 ? dropped : or_(dropped, pack_run(left, packer, sink));
}

inline bool pack(const PackBits& p) {
  const std::int64_t needed = packed_bytes(p.cols, p.bits, p.order);
  const bool gapless = p.cols * p.bits == 8 * p.row_bytes;
  const std::int64_t rows = gapless ? 1 : p.rows;
  const std::int64_t cols = gapless ? p.rows * p.cols : p.cols;
  const std::int64_t bytes = gapless ? p.rows * p.row_bytes : needed;
  const std::int64_t room = gapless ? bytes : p.row_bytes;
  const Packer packer = make_packer(p.bits, p.order, p.flip, p.bias);
  const Sink sink(p.packed, rows == 1 ? 0 : p.row_bytes, p.rows * p.row_bytes);
  const bool streamed = sink.streams() && p.bits < 8;
  V dropped = zero();
  for (std::int64_t row = 0; row < rows; ++row) {
    std::uint8_t* to = p.packed + row * p.row_bytes;
    const Run run = {p.codes + row * cols, cols, to, bytes, room};
    dropped =
        or_(dropped, streamed ? pack_streamed(run, packer, sink) : pack_run(run, packer, sink));
    if (!gapless) {
      __builtin_memset(to + needed, 0, static_cast<unsigned long>(p.row_bytes - needed));
    }
  }
  return !any(dropped);
}

}  // namespace
}  // namespace requant::kernel
