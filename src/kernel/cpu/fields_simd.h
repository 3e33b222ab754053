#pragma once

#include "kernel/cpu/simd.h"
#include "kernel/fields.h"

namespace requant::kernel {
namespace {

// kBytes units of one byte.
inline void split_bytes(const SplitFields& p, V units, std::uint8_t* codes) {
  for (int i = 0; i < p.fields; ++i) {
    const V field =
        and_(right16(units, p.first_shift + i * p.shift_step), fill8((1 << p.bits) - 1));
    store(codes + i * p.stride, sub8(xor_(field, fill8(p.flip)), fill8(p.bias)));
  }
}

// kBytes units of four bytes. Lane i of the four registers has units 16i to 16i + 15, so that
// narrowing leaves them in order.
inline void split_words(const SplitFields& p, const V units[4], std::uint8_t* codes) {
  const V mask = fill32((1U << p.bits) - 1);
  for (int i = 0; i < p.fields; ++i) {
    V field[4];
    for (int j = 0; j < 4; ++j) {
      field[j] = and_(right32(units[j], p.first_shift + i * p.shift_step), mask);
    }
    const V bytes = narrow16(narrow32(field[0], field[1]), narrow32(field[2], field[3]));
    store(codes + i * p.stride, sub8(xor_(bytes, fill8(p.flip)), fill8(p.bias)));
  }
}

inline void split_units(const SplitFields& p, const std::uint8_t* from, std::uint8_t* codes) {
  if (p.unit_bytes == 1) return split_bytes(p, load(from), codes);
  V units[4];
  for (int j = 0; j < 4; ++j) units[j] = load_lanes(from + j * kLaneBytes, 4 * kLaneBytes);
  split_words(p, units, codes);
}

inline void split(const SplitFields& p) {
  std::int64_t done = 0;
  for (; done + kBytes <= p.count; done += kBytes) {
    split_units(p, p.units + done * p.unit_bytes, p.codes + done);
  }
  if (done == p.count) return;
  std::uint8_t units[4 * kBytes] = {};
  const auto left = static_cast<unsigned long>(p.count - done);
  __builtin_memcpy(units, p.units + done * p.unit_bytes,
                   left * static_cast<unsigned long>(p.unit_bytes));
  std::uint8_t codes[10 * kBytes];  // no unit has more fields
  SplitFields last = p;
  last.stride = kBytes;
  split_units(last, units, codes);
  for (int i = 0; i < p.fields; ++i) {
    __builtin_memcpy(p.codes + i * p.stride + done, codes + i * kBytes, left);
  }
}

inline V join_bytes(const JoinFields& p, const std::uint8_t* codes, std::int64_t stride,
                    V& dropped) {
  const V mask = fill8((1 << p.bits) - 1);
  V units = zero();
  for (int i = 0; i < p.fields; ++i) {
    const V field = xor_(add8(load(codes + i * stride), fill8(p.bias)), fill8(p.flip));
    dropped = or_(dropped, and_not(field, mask));
    units = or_(units, left16(and_(field, mask), p.first_shift + i * p.shift_step));
  }
  return units;
}

inline bool join(const JoinFields& p) {
  V dropped = zero();
  std::int64_t done = 0;
  for (; done + kBytes <= p.count; done += kBytes) {
    store(p.units + done, join_bytes(p, p.codes + done, p.stride, dropped));
  }
  if (done < p.count) {
    const auto left = static_cast<unsigned long>(p.count - done);
    std::uint8_t codes[8 * kBytes];
    __builtin_memset(codes, static_cast<std::uint8_t>(p.flip - p.bias), sizeof codes);
    for (int i = 0; i < p.fields; ++i) {
      __builtin_memcpy(codes + i * kBytes, p.codes + i * p.stride + done, left);
    }
    std::uint8_t units[kBytes];
    store(units, join_bytes(p, codes, kBytes, dropped));
    __builtin_memcpy(p.units + done, units, left);
  }
  return !any(dropped);
}

}  // namespace
}  // namespace requant::kernel
