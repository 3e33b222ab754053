#pragma once

#include <cstdint>
#include <span>

namespace requant::kernel {

// The inverse of UnpackAwq: codes [outputs, inputs] in [-8, 7] -> words [inputs, outputs / 8], each
// code plus 8, in kAwqOrder. A code outside that range spoils its neighbours.
// REQUIRES: outputs a multiple of 8.
struct PackAwq {
  const std::int8_t* codes;
  std::uint8_t* words;  // little-endian u32, of any alignment
  std::int64_t inputs;
  std::int64_t outputs;
};

// One implementation; see ScanFp8Kernel.
struct PackAwqKernel {
  const char* name;
  bool (*supports)(const PackAwq&);
  void (*run)(const PackAwq&);
};

// Best first; the last is "ref", which supports everything.
std::span<const PackAwqKernel* const> pack_awq_kernels();

// Runs the first kernel that supports the problem.
void pack_awq(const PackAwq& problem);

}  // namespace requant::kernel
