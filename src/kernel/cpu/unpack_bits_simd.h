#pragma once

#include "kernel/bits.h"
#include "kernel/cpu/simd.h"

namespace requant::kernel {
namespace {

constexpr std::int64_t kStep = 16 * kLanes;  // codes that are unpacked together, 16 to a lane
constexpr int kMaxSteps = 5;                 // after which the places of codes repeat
constexpr int kMaxLayers = 3;

// Takes the fields of 16 codes out of the 16 bytes of each lane: both bytes that a field can touch
// are brought to a 16-bit place, and shifted there by a multiplication.
struct Step {
  V low;     // places of the bytes of the first 8 codes
  V high;    // of the other 8
  V low_up;  // 2^(8 - shift)
  V high_up;
  std::int64_t offset[kLanes];  // of each lane's bytes
};

// How the fields of a row are found. The steps take turns; layers are steps whose fields are
// parts of the same codes.
struct Fields {
  Step steps[kMaxSteps];
  V mask[kMaxLayers];
  int shift[kMaxLayers];  // of a layer's part within the code
  int steps_in_turn;
  int layers;
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

inline Fields fields_in_turn(int bits, BitOrder order) {
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
  fields.layers = 1;
  fields.mask[0] = fill8((1 << bits) - 1);
  fields.turn_bytes = packed_bytes(fields.steps_in_turn * kStep, bits, order);
  return fields;
}

// Each plane is a stream of its own; two lanes make a run of 32 codes.
inline Fields fields_in_planes(int bits) {
  Fields fields = {};
  std::int64_t begin = 0;  // of the plane, in bytes
  int shift = 0;
  for (const int width : kPlaneWidths[bits]) {
    if (width == 0) break;
    Step& step = fields.steps[fields.layers];
    const std::int64_t first[4] = {0, 16, 0, 16};
    fill_step(step, width, BitOrder::kStream, first);
    for (int lane = 0; lane < kLanes; ++lane) step.offset[lane] += begin + lane / 2 * 4 * bits;
    fields.mask[fields.layers] = fill8((1 << width) - 1);
    fields.shift[fields.layers++] = shift;
    shift += width;
    begin += 4 * width;
  }
  fields.steps_in_turn = 1;
  fields.turn_bytes = kLanes / 2 * 4 * bits;
  return fields;
}

// For bits < 8.
inline Fields make_fields(int bits, BitOrder order) {
  const bool planes = order == BitOrder::kPlanes && kPlaneWidths[bits][1] != 0;
  if (planes) return fields_in_planes(bits);
  return fields_in_turn(bits, order == BitOrder::kPlanes ? BitOrder::kStream : order);
}

inline V read_step(const Step& step, V mask, const std::uint8_t* from) {
  const V bytes = load_lanes(from, step.offset);
  const V low = right16(multiply16(shuffle8(bytes, step.low), step.low_up), 8);
  const V high = right16(multiply16(shuffle8(bytes, step.high), step.high_up), 8);
  return and_(narrow16(low, high), mask);
}

inline V read_layers(const Fields& fields, const std::uint8_t* from) {
  V codes = read_step(fields.steps[0], fields.mask[0], from);
  for (int i = 1; i < fields.layers; ++i) {
    const V part = read_step(fields.steps[i], fields.mask[i], from);
    codes = or_(codes, left16(part, fields.shift[i]));
  }
  return codes;
}

// The next kStep codes; `turn` is which step of a turn that begins at `from`.
inline V read_fields(const Fields& fields, int turn, const std::uint8_t* from) {
  if (fields.layers > 1) return read_layers(fields, from);
  return read_step(fields.steps[turn], fields.mask[0], from);
}

// Bytes from a turn's begin that a step may read.
inline std::int64_t reach_of(const Fields& fields, int turn) {
  std::int64_t reach = 0;
  const int last = fields.layers > 1 ? fields.layers : turn + 1;
  for (int i = fields.layers > 1 ? 0 : turn; i < last; ++i) {
    for (const std::int64_t offset : fields.steps[i].offset) {
      if (offset + kLaneBytes > reach) reach = offset + kLaneBytes;
    }
  }
  return reach;
}

// What becomes of a field.
struct Sign {
  V flip;
  V bias;
};

inline V to_code(V field, const Sign& sign) { return sub8(xor_(field, sign.flip), sign.bias); }

// The steps whose bytes all lie within `bytes`; gives how many codes that were. `at` and `turn` go
// along.
inline std::int64_t unpack_steps(const Fields& fields, const Sign& sign, const std::uint8_t*& at,
                                 std::int64_t bytes, int& turn, std::uint8_t* codes,
                                 std::int64_t count, const Sink& sink) {
  const std::uint8_t* end = at + bytes;
  std::int64_t done = 0;
  if (fields.steps_in_turn == 1 && fields.layers == 1) {
    const Step step = fields.steps[0];
    const V mask = fields.mask[0];
    const std::int64_t reach = reach_of(fields, 0);
    for (; done + kStep <= count && end - at >= reach; done += kStep) {
      sink.put(codes + done, to_code(read_step(step, mask, at), sign));
      at += fields.turn_bytes;
    }
    return done;
  }
  std::int64_t reach[kMaxSteps];
  for (int i = 0; i < fields.steps_in_turn; ++i) reach[i] = reach_of(fields, i);
  for (; done + kStep <= count && end - at >= reach[turn]; done += kStep) {
    sink.put(codes + done, to_code(read_fields(fields, turn, at), sign));
    if (++turn < fields.steps_in_turn) continue;
    turn = 0;
    at += fields.turn_bytes;
  }
  return done;
}

// A run of codes from `bytes` bytes, of which none beyond is read.
inline void unpack_run(const Fields& fields, const Sign& sign, const std::uint8_t* from,
                       std::int64_t bytes, std::uint8_t* codes, std::int64_t count,
                       const Sink& sink) {
  const std::uint8_t* at = from;
  int turn = 0;
  std::int64_t done = unpack_steps(fields, sign, at, bytes, turn, codes, count, sink);
  while (done < count) {  // from a copy with room behind it
    std::uint8_t copy[kMaxSteps * kBytes + 64] = {};
    const std::int64_t reach = reach_of(fields, turn);
    const std::int64_t left = from + bytes - at;
    __builtin_memcpy(copy, at, static_cast<unsigned long>(left < reach ? left : reach));
    std::uint8_t last[kStep];
    store(last, to_code(read_fields(fields, turn, copy), sign));
    const std::int64_t size = count - done < kStep ? count - done : kStep;
    __builtin_memcpy(codes + done, last, static_cast<unsigned long>(size));
    done += size;
    if (++turn < fields.steps_in_turn) continue;
    turn = 0;
    at += fields.turn_bytes;
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

inline void unpack(const UnpackBits& p) {
  const Sign sign = {fill8(p.flip), fill8(p.bias)};
  const bool gapless = p.order != BitOrder::kWholeWords && p.cols * p.bits == 8 * p.row_bytes;
  const std::int64_t rows = gapless ? 1 : p.rows;
  const std::int64_t cols = gapless ? p.rows * p.cols : p.cols;
  const std::int64_t all = p.rows * p.row_bytes;
  const Sink sink(p.codes, rows == 1 ? 0 : cols, p.rows * p.cols);
  const Fields fields = p.bits == 8 ? Fields{} : make_fields(p.bits, p.order);
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t begin = row * p.row_bytes;
    std::uint8_t* codes = p.codes + row * cols;
    if (p.bits == 8) {
      unpack_bytes(sign, p.packed + begin, codes, cols, sink);
    } else {
      unpack_run(fields, sign, p.packed + begin, all - begin, codes, cols, sink);
    }
  }
}

}  // namespace
}  // namespace requant::kernel
