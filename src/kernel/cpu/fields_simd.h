#pragma once

#include "kernel/cpu/simd.h"
#include "kernel/fields.h"

namespace requant::kernel {
namespace {

constexpr int kLineParts = 4 / kLanes;  // registers of a cache line

// A cache line of each field, from as many units of one byte.
inline void split_bytes(const SplitFields& p, const std::uint8_t* from, std::uint8_t* codes,
                        const Sink& sink) {
  V units[kLineParts];
  for (int part = 0; part < kLineParts; ++part) units[part] = load(from + part * kBytes);
  const V mask = fill8((1 << p.bits) - 1);
  for (int i = 0; i < p.fields; ++i) {
    for (int part = 0; part < kLineParts; ++part) {
      const V field = and_(right16(units[part], p.first_shift + i * p.shift_step), mask);
      sink.put(codes + i * p.stride + part * kBytes,
               sub8(xor_(field, fill8(p.flip)), fill8(p.bias)));
    }
  }
}

// The same of units of four bytes. Lane i of four registers has units 16i to 16i + 15, so that
// narrowing leaves them in order.
inline void split_words(const SplitFields& p, const std::uint8_t* from, std::uint8_t* codes,
                        const Sink& sink) {
  V units[kLineParts][4];
  for (int part = 0; part < kLineParts; ++part) {
    for (int j = 0; j < 4; ++j) {
      units[part][j] = load_lanes(from + 4 * part * kBytes + j * kLaneBytes, 4 * kLaneBytes);
    }
  }
  const V mask = fill32((1U << p.bits) - 1);
  for (int i = 0; i < p.fields; ++i) {
    for (int part = 0; part < kLineParts; ++part) {
      V field[4];
      for (int j = 0; j < 4; ++j) {
        field[j] = and_(right32(units[part][j], p.first_shift + i * p.shift_step), mask);
      }
      const V bytes = narrow16(narrow32(field[0], field[1]), narrow32(field[2], field[3]));
      sink.put(codes + i * p.stride + part * kBytes,
               sub8(xor_(bytes, fill8(p.flip)), fill8(p.bias)));
    }
  }
}

inline void split_line(const SplitFields& p, const std::uint8_t* from, std::uint8_t* codes,
                       const Sink& sink) {
  if (p.unit_bytes == 1) return split_bytes(p, from, codes, sink);
  split_words(p, from, codes, sink);
}

inline void split(const SplitFields& p) {
  const Sink sink(p.codes, p.stride, p.fields * p.count);
  std::int64_t done = 0;
  for (; done + kCacheLine <= p.count; done += kCacheLine) {
    split_line(p, p.units + done * p.unit_bytes, p.codes + done, sink);
  }
  if (done == p.count) return;
  std::uint8_t units[4 * kCacheLine] = {};
  const auto left = static_cast<unsigned long>(p.count - done);
  __builtin_memcpy(units, p.units + done * p.unit_bytes,
                   left * static_cast<unsigned long>(p.unit_bytes));
  std::uint8_t codes[10 * kCacheLine];  // no unit has more fields
  SplitFields last = p;
  last.stride = kCacheLine;
  split_line(last, units, codes, Sink(codes, 0, 0));
  for (int i = 0; i < p.fields; ++i) {
    __builtin_memcpy(p.codes + i * p.stride + done, codes + i * kCacheLine, left);
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
  const Sink sink(p.units, 0, p.count);
  V dropped = zero();
  std::int64_t done = 0;
  for (; done + kBytes <= p.count; done += kBytes) {
    sink.put(p.units + done, join_bytes(p, p.codes + done, p.stride, dropped));
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
