#pragma once

#include "kernel/bits.h"
#include "kernel/cpu/simd.h"

namespace requant::kernel {
namespace {

// How 16 codes of a lane become 2 x bits bytes: neighbours are joined three times over, into 64
// bits with 8 codes at their low end, and both halves moved together.
struct Packing {
  int bits;
  V compact;
};

inline Packing make_packing(int bits) {
  std::uint8_t places[kBytes];
  for (int i = 0; i < kBytes; ++i) {
    const int byte = i % 16;
    const int from = byte < bits ? byte : 8 + byte - bits;
    places[i] = static_cast<std::uint8_t>(byte < 2 * bits ? from : 0x80);
  }
  return {bits, load(places)};
}

// Fields of less than 2^bits, a byte each -> the first 2 x bits bytes of each lane.
inline V pack_fields(const Packing& packing, V fields) {
  const int bits = packing.bits;
  const V low8 = fill16(0xFF);
  const V pairs = or_(and_(fields, low8), right16(and_not(fields, low8), 8 - bits));
  const V low16 = fill32(0xFFFF);
  const V fours = or_(and_(pairs, low16), right32(and_not(pairs, low16), 16 - 2 * bits));
  const V low32 = fill64(0xFFFFFFFF);
  const V eights = or_(and_(fours, low32), right64(and_not(fours, low32), 32 - 4 * bits));
  return shuffle8(eights, packing.compact);
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

// One for a stream, one a plane for planes.
struct Packings {
  Packing of[3];
  int count;
};

// For bits < 8.
inline Packings make_packings(int bits, BitOrder order) {
  const bool planes = order == BitOrder::kPlanes && kPlaneWidths[bits][1] != 0;
  Packings packings = {};
  if (!planes) {
    packings.of[packings.count++] = make_packing(bits);
    return packings;
  }
  for (const int width : kPlaneWidths[bits]) {
    if (width != 0) packings.of[packings.count++] = make_packing(width);
  }
  return packings;
}

// Planes of 32 codes each, two lanes to a run. `to` has room for a lane behind the last run.
inline void pack_planes(const Packings& packings, V fields, std::uint8_t* to) {
  std::uint8_t planes[3][kBytes];
  int shift = 0;
  for (int plane = 0; plane < packings.count; ++plane) {
    const int width = packings.of[plane].bits;
    const V part = and_(right16(fields, shift), fill8((1 << width) - 1));
    store(planes[plane], pack_fields(packings.of[plane], part));
    shift += width;
  }
  for (int run = 0; run < kLanes / 2; ++run) {
    for (int plane = 0; plane < packings.count; ++plane) {
      for (int half = 0; half < 2; ++half, to += 2 * packings.of[plane].bits) {
        store_lane(to, load_lane(planes[plane] + kLaneBytes * (2 * run + half)));
      }
    }
  }
}

inline void pack_step(const Packings& packings, V fields, std::uint8_t* to) {
  if (packings.count > 1) return pack_planes(packings, fields, to);
  store_lanes(to, 2 * packings.of[0].bits, pack_fields(packings.of[0], fields));
}

struct Packer {
  Field field;
  Packings packings;
  int bits;
};

// `bytes` is what `codes` fill, exactly, and `room` what may be written, if only to be written
// over; gives what was dropped.
inline V pack_run(const Packer& packer, const std::uint8_t* codes, std::int64_t count,
                  std::uint8_t* to, std::int64_t bytes, std::int64_t room) {
  constexpr std::int64_t kCodes = 16 * kLanes;
  const std::int64_t step_bytes = kCodes * packer.bits / 8;
  const Field field = packer.field;
  const Packings packings = packer.packings;
  V dropped = zero();
  std::int64_t done = 0;
  for (; done + kCodes <= count && room >= step_bytes + kLaneBytes; done += kCodes) {
    pack_step(packings, to_field(load(codes + done), field, dropped), to);
    to += step_bytes;
    room -= step_bytes;
    bytes -= step_bytes;
  }
  while (done < count) {  // by way of a copy with room behind it
    std::uint8_t last[kCodes];
    const std::int64_t size = count - done < kCodes ? count - done : kCodes;
    __builtin_memset(last, field.nothing, kCodes);
    __builtin_memcpy(last, codes + done, static_cast<unsigned long>(size));
    std::uint8_t packed[kCodes + kLaneBytes];
    pack_step(packings, to_field(load(last), field, dropped), packed);
    const std::int64_t filled = bytes < step_bytes ? bytes : step_bytes;
    __builtin_memcpy(to, packed, static_cast<unsigned long>(filled));
    to += filled;
    bytes -= filled;
    done += size;
  }
  return dropped;
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

inline Packer make_packer(int bits, BitOrder order, int flip, int bias) {
  return {make_field(bits, order, flip, bias), bits == 8 ? Packings{} : make_packings(bits, order),
          bits};
}

// pack_run() past the cache: whole lines, put together in a buffer first.
inline V pack_streamed(const Packer& packer, const std::uint8_t* codes, std::int64_t count,
                       std::uint8_t* to, std::int64_t bytes, const Sink& sink) {
  constexpr std::int64_t kCodes = 4096;  // bits x 512 bytes
  std::uint8_t buffer[kCodes + kLaneBytes];
  const std::int64_t piece = kCodes * packer.bits / 8;
  V dropped = zero();
  for (; count >= kCodes; count -= kCodes, codes += kCodes, to += piece, bytes -= piece) {
    dropped = or_(dropped, pack_run(packer, codes, kCodes, buffer, piece, piece + kLaneBytes));
    sink.copy(to, buffer, piece);
  }
  return count == 0 ? dropped : or_(dropped, pack_run(packer, codes, count, to, bytes, bytes));
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
  V dropped = zero();
  for (std::int64_t row = 0; row < rows; ++row) {
    std::uint8_t* to = p.packed + row * p.row_bytes;
    if (p.bits == 8) {
      pack_bytes(packer.field, p.codes + row * cols, cols, to, sink);
    } else if (sink.streams()) {
      dropped = or_(dropped, pack_streamed(packer, p.codes + row * cols, cols, to, bytes, sink));
    } else {
      dropped = or_(dropped, pack_run(packer, p.codes + row * cols, cols, to, bytes, room));
    }
    if (!gapless)
      __builtin_memset(to + needed, 0, static_cast<unsigned long>(p.row_bytes - needed));
  }
  return !any(dropped);
}

}  // namespace
}  // namespace requant::kernel
