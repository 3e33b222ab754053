#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace requant::kernel {

// ggml's block types. Scales of those up to kIQ4XS are searched for, of kQ4_0 to kQ5_1 with an
// importance alone, and those after that are the same with one.
enum class BlockType : std::uint8_t {
  kQ2K,
  kQ3K,
  kQ4K,
  kQ5K,
  kQ6K,
  kIQ4NL,
  kIQ4XS,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ8_0,
  kTernary,  // TQ1_0, TQ2_0
  kMXFP4,    // scales E8M0
};

// One row, rounded to the codes and scales that ggml_quantize_chunk() gives, bit for bit. Where
// they go is laid out as the neutral form is (quant/quantized_weight.h): a byte a code, one scale
// and minimum a group, F16 little-endian; minima of K types are below 0. What a type does not have
// is not touched.
struct RoundBlocks {
  BlockType to;
  const float* values;      // finite
  const float* importance;  // of each input, finite and not below 0; nullptr: none
  std::size_t count;        // whole blocks
  std::uint8_t* codes;
  std::uint8_t* scales;
  std::uint8_t* minima;
  std::uint8_t* outer;         // F16
  std::uint8_t* outer_minima;  // F16
};

// One implementation; see ScanFp8Kernel.
struct RoundBlocksKernel {
  const char* name;
  bool (*supports)();
  void (*run)(const RoundBlocks&);
};

// Best first; the last is "ref".
std::span<const RoundBlocksKernel* const> round_blocks_kernels();

// The first that this machine supports.
const RoundBlocksKernel& round_blocks_kernel();

}  // namespace requant::kernel
