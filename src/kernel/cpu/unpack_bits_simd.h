#pragma once

#include "kernel/bits.h"
#include "kernel/cpu/planes_simd.h"
#include "kernel/cpu/simd.h"

namespace requant::kernel {
namespace {

constexpr std::int64_t kStep = 16 * kLanes;  // codes that are unpacked together, 16 to a lane
constexpr int kMaxSteps = 5;                 // after which the places of codes repeat
constexpr std::int64_t kMaxReach = kMaxSteps * kBytes + 64;

// Takes the fields of 16 codes out of the 16 bytes of each lane: both bytes that a field can touch
// are brought to a 16-bit place, and shifted there by a multiplication.
struct Step {
  V low;     // places of the bytes of the first 8 codes
  V high;    // of the other 8
  V low_up;  // 2^(8 - shift)
  V high_up;
  std::int64_t offset[kLanes];  // of each lane's bytes
};

// How the fields of a row are found. The steps take turns.
struct Fields {
  Step steps[kMaxSteps];
  V mask;
  int steps_in_turn;
  std::int64_t turn_bytes;  // from one turn to the next
};

// First bit of code `code`.
inline std::int64_t place_of(std::int64_t code, int bits, BitOrder order) {
  if (order == BitOrder::kHighNibble) return (code ^ 1) * 4;
  if (order == BitOrder::kWholeWords) return code / (32 / bits) * 32 + code % (32 / bits) * bits;
  return code * bits;
}

// A step whose lane i has codes first[i] to first[i] + 15, each of `bits` bits; lanes begin with
// whole words where the order has words, else with whole bytes.
inline void fill_step(Step& step, int bits, BitOrder order, const std::int64_t first[kLanes]) {
  std::uint8_t bytes[2][kBytes];
  std::uint16_t up[2][kBytes / 2];
  for (int lane = 0; lane < kLanes; ++lane) {
    const std::int64_t unit = order == BitOrder::kWholeWords ? 32 : 8;
    const std::int64_t base = (place_of(first[lane], bits, order) & ~std::int64_t{7}) / unit * unit;
    step.offset[lane] = base / 8;
    for (int i = 0; i < 16; ++i) {
      const std::int64_t place = place_of(first[lane] + i, bits, order) - base;
      const int at = lane * 8 + i % 8;
      const int byte = static_cast<int>(place / 8);
      bytes[i / 8][2 * at] = static_cast<std::uint8_t>(byte);
      bytes[i / 8][2 * at + 1] = static_cast<std::uint8_t>(byte < 15 ? byte + 1 : 0x80);
      up[i / 8][at] = static_cast<std::uint16_t>(1 << (8 - place % 8));
    }
  }
  step.low = load(bytes[0]);
  step.high = load(bytes[1]);
  step.low_up = load(up[0]);
  step.high_up = load(up[1]);
}

// For bits < 8, and not in planes.
inline Fields make_fields(int bits, BitOrder order) {
  Fields fields = {};
  const std::int64_t in_word = 32 / bits;
  // In whole words, steps and words come out even after as many.
  fields.steps_in_turn = 1;
  if (order == BitOrder::kWholeWords) {
    while (fields.steps_in_turn * kStep % in_word != 0) ++fields.steps_in_turn;
  }
  for (int turn = 0; turn < fields.steps_in_turn; ++turn) {
    std::int64_t first[kLanes];
    for (int lane = 0; lane < kLanes; ++lane) first[lane] = turn * kStep + 16 * lane;
    fill_step(fields.steps[turn], bits, order, first);
  }
  fields.mask = fill8((1 << bits) - 1);
  fields.turn_bytes = packed_bytes(fields.steps_in_turn * kStep, bits, order);
  return fields;
}

inline V read_step(const Step& step, V mask, const std::uint8_t* from) {
  const V bytes = load_lanes(from, step.offset);
  const V low = right16(multiply16(shuffle8(bytes, step.low), step.low_up), 8);
  const V high = right16(multiply16(shuffle8(bytes, step.high), step.high_up), 8);
  return and_(narrow16(low, high), mask);
}

// Bytes from a turn's begin that a step may read.
inline std::int64_t reach_of(const Step& step) {
  std::int64_t reach = 0;
  for (const std::int64_t offset : step.offset) {
    if (offset + kLaneBytes > reach) reach = offset + kLaneBytes;
  }
  return reach;
}

// What becomes of a field.
struct Sign {
  V flip;
  V bias;
};

inline V to_code(V field, const Sign& sign) { return sub8(xor_(field, sign.flip), sign.bias); }

// How codes are taken from what a row holds.
struct Unpacker {
  Sign sign;
  int bits;
  bool planes;
  Fields fields;
  Planes in_planes;
};

inline Unpacker make_unpacker(int bits, BitOrder order, int flip, int bias) {
  Unpacker unpacker = {};
  unpacker.sign = {fill8(flip), fill8(bias)};
  unpacker.bits = bits;
  unpacker.planes = in_planes(bits, order);
  if (unpacker.planes) {
    unpacker.in_planes = make_planes();
  } else if (bits < 8) {
    unpacker.fields = make_fields(bits, order == BitOrder::kPlanes ? BitOrder::kStream : order);
  }
  return unpacker;
}

// A run of codes, and where it comes from.
struct PackedRun {
  const std::uint8_t* from;
  std::int64_t bytes;  // of which none beyond is read
  std::uint8_t* codes;
  std::int64_t count;
};

// Steps of one kind, which read(from) takes from as many bytes each, `reach` of which may be read.
template <class Read>
inline void unpack_steps(const PackedRun& run, const Sign& sign, std::int64_t step_bytes,
                         std::int64_t reach, const Sink& sink, Read read) {
  const std::uint8_t* at = run.from;
  const std::uint8_t* last = run.from + run.bytes - reach;
  std::int64_t done = 0;
  for (; done + kStep <= run.count && at <= last; done += kStep, at += step_bytes) {
    sink.put(run.codes + done, to_code(read(at), sign));
  }
  for (; done < run.count; done += kStep, at += step_bytes) {  // from a copy with room behind it
    std::uint8_t copy[kMaxReach] = {};
    const std::int64_t left = run.from + run.bytes - at;
    __builtin_memcpy(copy, at, static_cast<unsigned long>(left < reach ? left : reach));
    std::uint8_t codes[kStep];
    store(codes, to_code(read(copy), sign));
    const std::int64_t size = run.count - done < kStep ? run.count - done : kStep;
    __builtin_memcpy(run.codes + done, codes, static_cast<unsigned long>(size));
  }
}

template <int kBits>
inline void unpack_planes(const PackedRun& run, const Unpacker& unpacker, const Sink& sink) {
  constexpr std::int64_t kRunBytes = 4 * kBits;
  constexpr std::int64_t kReach =
      (kRuns - 1) * kRunBytes + 4 * plane_shift(kBits, plane_count(kBits) - 1) + kLaneBytes;
  const Planes planes = unpacker.in_planes;
  unpack_steps(run, unpacker.sign, kRuns * kRunBytes, kReach, sink,
               [&](const std::uint8_t* from) { return read_planes<kBits>(planes, from); });
}

// Whole words, after kSteps steps of which the places of codes repeat.
template <int kSteps>
inline void unpack_turns(const PackedRun& run, const Unpacker& unpacker, const Sink& sink) {
  const Fields fields = unpacker.fields;
  std::int64_t reach = 0;
  for (int i = 0; i < kSteps; ++i) {
    const std::int64_t other = reach_of(fields.steps[i]);
    reach = other > reach ? other : reach;
  }
  PackedRun left = run;
  while (left.count >= kSteps * kStep && left.bytes >= reach) {
    for (int i = 0; i < kSteps; ++i) {
      sink.put(left.codes + i * kStep,
               to_code(read_step(fields.steps[i], fields.mask, left.from), unpacker.sign));
    }
    left = {left.from + fields.turn_bytes, left.bytes - fields.turn_bytes,
            left.codes + kSteps * kStep, left.count - kSteps * kStep};
  }
  for (int turn = 0; left.count > 0; ++turn) {
    const Step& step = fields.steps[turn % kSteps];
    const std::int64_t size = left.count < kStep ? left.count : kStep;
    unpack_steps({left.from, left.bytes, left.codes, size}, unpacker.sign, 0, reach_of(step), sink,
                 [&](const std::uint8_t* from) { return read_step(step, fields.mask, from); });
    const std::int64_t bytes = turn % kSteps + 1 == kSteps ? fields.turn_bytes : 0;
    left = {left.from + bytes, left.bytes - bytes, left.codes + size, left.count - size};
  }
}

// 8 bits: as they are.
inline void unpack_bytes(const Sign& sign, const std::uint8_t* from, std::uint8_t* codes,
                         std::int64_t count, const Sink& sink) {
  std::int64_t done = 0;
  for (; done + kBytes <= count; done += kBytes) {
    sink.put(codes + done, to_code(load(from + done), sign));
  }
  if (done == count) return;
  std::uint8_t last[kBytes] = {};
  __builtin_memcpy(last, from + done, static_cast<unsigned long>(count - done));
  store(last, to_code(load(last), sign));
  __builtin_memcpy(codes + done, last, static_cast<unsigned long>(count - done));
}

inline void unpack_run(const PackedRun& run, const Unpacker& unpacker, const Sink& sink) {
  if (unpacker.bits == 8) return unpack_bytes(unpacker.sign, run.from, run.codes, run.count, sink);
  if (unpacker.planes) {
    if (unpacker.bits == 3) return unpack_planes<3>(run, unpacker, sink);
    if (unpacker.bits == 5) return unpack_planes<5>(run, unpacker, sink);
    if (unpacker.bits == 6) return unpack_planes<6>(run, unpacker, sink);
    return unpack_planes<7>(run, unpacker, sink);
  }
  const Fields& fields = unpacker.fields;
  if (fields.steps_in_turn == 3) return unpack_turns<3>(run, unpacker, sink);
  if (fields.steps_in_turn > 1) return unpack_turns<kMaxSteps>(run, unpacker, sink);
  const Step step = fields.steps[0];
  const V mask = fields.mask;
  unpack_steps(run, unpacker.sign, fields.turn_bytes, reach_of(step), sink,
               [&](const std::uint8_t* from) { return read_step(step, mask, from); });
}

inline void unpack(const UnpackBits& p) {
  const bool gapless = p.order != BitOrder::kWholeWords && p.cols * p.bits == 8 * p.row_bytes;
  const std::int64_t rows = gapless ? 1 : p.rows;
  const std::int64_t cols = gapless ? p.rows * p.cols : p.cols;
  const std::int64_t all = p.rows * p.row_bytes;
  const Sink sink(p.codes, rows == 1 ? 0 : cols, p.rows * p.cols);
  const Unpacker unpacker = make_unpacker(p.bits, p.order, p.flip, p.bias);
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t begin = row * p.row_bytes;
    unpack_run({p.packed + begin, all - begin, p.codes + row * cols, cols}, unpacker, sink);
  }
}

}  // namespace
}  // namespace requant::kernel
