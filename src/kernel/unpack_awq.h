#pragma once

#include <cstdint>
#include <span>

namespace requant::kernel {

// The eight nibbles of an AWQ word, counted from the low end, are the outputs kAwqOrder[i] of its
// eight (casper-hansen/AutoAWQ awq/utils/packing_utils.py@0.2.9).
constexpr int kAwqOrder[8] = {0, 2, 4, 6, 1, 3, 5, 7};

// words [inputs, outputs / 8] -> codes [outputs, inputs], each nibble minus 8.
struct UnpackAwq {
  const std::uint8_t* words;  // little-endian u32, of any alignment
  std::int8_t* codes;
  std::int64_t inputs;
  std::int64_t outputs;
};

// One implementation; see ScanFp8Kernel.
struct UnpackAwqKernel {
  const char* name;
  bool (*supports)(const UnpackAwq&);
  void (*run)(const UnpackAwq&);
};

// Best first; the last is "ref", which supports everything.
std::span<const UnpackAwqKernel* const> unpack_awq_kernels();

// Runs the first kernel that supports the problem.
void unpack_awq(const UnpackAwq& problem);

}  // namespace requant::kernel
