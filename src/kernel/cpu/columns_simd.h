#pragma once

#include "kernel/columns.h"
#include "kernel/cpu/pack_bits_simd.h"
#include "kernel/cpu/transpose_simd.h"
#include "kernel/cpu/unpack_bits_simd.h"

namespace requant::kernel {
namespace {

// A block is turned by way of a buffer that stays in the cache; both sides of it are some lines
// long, which is what memory reads and writes at full speed.
struct BlockSize {
  std::int64_t outputs;
  std::int64_t codes;
};
constexpr BlockSize kUnpackedAtOnce = {128, 1024};
constexpr BlockSize kPackedAtOnce = {128, 512};
constexpr std::int64_t kAhead = 16;  // outputs whose codes are fetched before they are packed

constexpr std::int64_t buffer_bytes(BlockSize size) { return size.outputs * (size.codes + 64); }

struct Block {
  std::int64_t output;
  std::int64_t outputs;
  std::int64_t input;
  std::int64_t inputs;
  std::int64_t next;    // inputs of the block after it, of the same outputs
  std::int64_t bytes;   // of an output
  std::int64_t stride;  // of the buffer
};

// Calls visit(Block) for each block of a matrix.
template <class Visit>
inline void for_each_block(BlockSize size, std::int64_t inputs, std::int64_t outputs, int bits,
                           Visit visit) {
  for (std::int64_t output = 0; output < outputs; output += size.outputs) {
    for (std::int64_t input = 0; input < inputs; input += size.codes) {
      Block block;
      block.output = output;
      block.outputs = outputs - output < size.outputs ? outputs - output : size.outputs;
      block.input = input;
      block.inputs = inputs - input < size.codes ? inputs - input : size.codes;
      const std::int64_t behind = inputs - input - block.inputs;
      block.next = behind < size.codes ? behind : size.codes;
      block.bytes = block.inputs * bits / 8;
      block.stride = size.codes * bits / 8 + 64;
      visit(block);
    }
  }
}

inline void unpack_blocks(const UnpackColumns& p) {
  alignas(64) std::uint8_t buffer[buffer_bytes(kUnpackedAtOnce)];
  const Unpacker unpacker = make_unpacker(p.bits, p.order, p.flip, p.bias);
  const std::int64_t row_bytes = 4 * p.outputs;
  const Sink sink(p.codes, p.inputs, p.inputs * p.outputs);
  for_each_block(kUnpackedAtOnce, p.inputs, p.outputs, p.bits, [&](const Block& block) {
    const std::uint8_t* words = p.words + block.input * p.bits / 32 * row_bytes + 4 * block.output;
    turn_block<4>({words, row_bytes, buffer, block.stride}, block.bytes / 4, block.outputs);
    const std::int64_t next = block.next * p.bits / 32;
    for (std::int64_t i = 0; i < block.outputs; ++i) {
      for (std::int64_t row = i; row < next; row += block.outputs) {
        fetch(words + (block.bytes / 4 + row) * row_bytes, 4 * block.outputs);
      }
      std::uint8_t* codes = p.codes + (block.output + i) * p.inputs + block.input;
      unpack_run({buffer + i * block.stride, block.stride, codes, block.inputs}, unpacker, sink);
    }
  });
}

inline bool pack_blocks(const PackColumns& p) {
  alignas(64) std::uint8_t buffer[buffer_bytes(kPackedAtOnce)];
  const Packer packer = make_packer(p.bits, p.order, p.flip, p.bias);
  const std::int64_t row_bytes = 4 * p.outputs;
  const Sink packed(buffer, 0, 0);
  const Sink sink(p.words, row_bytes, p.inputs * p.bits / 8 * p.outputs);
  V dropped = zero();
  for_each_block(kPackedAtOnce, p.inputs, p.outputs, p.bits, [&](const Block& block) {
    for (std::int64_t i = 0; i < block.outputs; ++i) {
      const std::uint8_t* codes = p.codes + (block.output + i) * p.inputs + block.input;
      if (i + kAhead < block.outputs) {
        fetch(codes + kAhead * p.inputs, block.inputs);
      } else {
        fetch(codes + (kAhead - block.outputs) * p.inputs + block.inputs, block.next);
      }
      const Run run = {codes, block.inputs, buffer + i * block.stride, block.bytes, block.stride};
      dropped = or_(dropped, pack_run(run, packer, packed));
    }
    std::uint8_t* words = p.words + block.input * p.bits / 32 * row_bytes + 4 * block.output;
    turn_matrix<4, From::kCache>({buffer, block.stride, words, row_bytes}, block.outputs,
                                 block.bytes / 4, sink);
  });
  return !any(dropped);
}

}  // namespace
}  // namespace requant::kernel
