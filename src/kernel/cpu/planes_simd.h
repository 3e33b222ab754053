#pragma once

#include "kernel/bits.h"
#include "kernel/cpu/simd.h"

namespace requant::kernel {
namespace {

// Codes of 3, 5, 6 and 7 bits in planes (BitOrder::kPlanes). Two lanes are a run of 32 codes.
constexpr std::int64_t kRunCodes = 32;
constexpr int kRuns = kLanes / 2;

constexpr bool in_planes(int bits, BitOrder order) {
  return order == BitOrder::kPlanes && kPlaneWidths[bits][1] != 0;
}

// Where the bits of plane `plane` lie in a code; its bytes begin at 4 times that in a run.
constexpr int plane_shift(int bits, int plane) {
  int shift = 0;
  for (int i = 0; i < plane; ++i) shift += kPlaneWidths[bits][i];
  return shift;
}

constexpr int plane_count(int bits) {
  int count = 0;
  while (count < 3 && kPlaneWidths[bits][count] != 0) ++count;
  return count;
}

// How a plane of a width is read and written.
struct PlaneWidth {
  V spread;   // brings to each code the byte that has its field
  V field;    // the field in it
  V value;    // of a field of 2 bits, in either half of a nibble
  V compact;  // brings together the bytes that are written
};

struct Planes {
  PlaneWidth of[5];  // by width: 1, 2, 4
};

inline PlaneWidth plane_width(int width) {
  std::uint8_t spread[kBytes];
  std::uint8_t field[kBytes];
  std::uint8_t value[kBytes] = {};
  std::uint8_t compact[kBytes];
  constexpr std::uint8_t kValues[] = {0, 1, 2, 3, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0};
  for (int i = 0; i < kBytes; ++i) {
    const int code = i % kRunCodes;
    spread[i] = static_cast<std::uint8_t>(code * width / 8);
    field[i] = static_cast<std::uint8_t>(((1 << width) - 1) << (code * width % 8));
    value[i] = kValues[i % 16];
    const int byte = code % 16 - code / 16 * 2 * width;  // of those that this lane gives
    const bool there = 0 <= byte && byte < 2 * width;
    compact[i] = static_cast<std::uint8_t>(there ? byte * 8 / width : 0x80);
  }
  return {load(spread), load(field), load(value), load(compact)};
}

inline Planes make_planes() {
  Planes planes = {};
  for (const int width : {1, 2, 4}) planes.of[width] = plane_width(width);
  return planes;
}

template <int kWidth>
inline V read_plane(const PlaneWidth& plane, const std::uint8_t* from, std::int64_t stride) {
  const V field = and_(shuffle8(load_runs(from, stride), plane.spread), plane.field);
  if constexpr (kWidth == 1) return least8(field, fill8(1));
  const V nibble = and_(or_(field, right16(field, 4)), fill8(0xF));
  if constexpr (kWidth == 2) return shuffle8(plane.value, nibble);
  return nibble;
}

template <int kBits, int kPlane = 0>
inline V read_planes(const Planes& planes, const std::uint8_t* from) {
  constexpr int kWidth = kPlaneWidths[kBits][kPlane];
  constexpr int kShift = plane_shift(kBits, kPlane);
  const V field = read_plane<kWidth>(planes.of[kWidth], from + 4 * kShift, 4 * kBits);
  const V here = kShift == 0 ? field : left16(field, kShift);
  if constexpr (kPlane + 1 == plane_count(kBits)) {
    return here;
  } else {
    return or_(here, read_planes<kBits, kPlane + 1>(planes, from));
  }
}

template <int kWidth>
inline void write_plane(const PlaneWidth& plane, V fields, int shift, std::uint8_t* to,
                        std::int64_t stride) {
  if constexpr (kWidth == 1) {
    std::uint32_t bits[kRuns];
    top_bits(left16(fields, 7 - shift), bits);
    for (int run = 0; run < kRuns; ++run) __builtin_memcpy(to + run * stride, bits + run, 4);
    return;
  }
  const V field = and_(right16(fields, shift), fill8((1 << kWidth) - 1));
  const V pairs = pair_bytes(fill16(1 | 256 << kWidth), field);
  const V units = kWidth == 4 ? pairs : pair_words(fill32(1 | 65536 << 2 * kWidth), pairs);
  __m128i runs[kRuns];
  fold_lanes(shuffle8(units, plane.compact), runs);
  for (int run = 0; run < kRuns; ++run) {
    if constexpr (kWidth == 4) {
      store_lane(to + run * stride, runs[run]);
    } else {
      store_half(to + run * stride, runs[run]);
    }
  }
}

template <int kBits, int kPlane = 0>
inline void write_planes(const Planes& planes, V fields, std::uint8_t* to) {
  constexpr int kWidth = kPlaneWidths[kBits][kPlane];
  constexpr int kShift = plane_shift(kBits, kPlane);
  write_plane<kWidth>(planes.of[kWidth], fields, kShift, to + 4 * kShift, 4 * kBits);
  if constexpr (kPlane + 1 < plane_count(kBits)) {
    write_planes<kBits, kPlane + 1>(planes, fields, to);
  }
}

}  // namespace
}  // namespace requant::kernel
