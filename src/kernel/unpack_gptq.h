#pragma once

#include <cstdint>
#include <span>

namespace requant::kernel {

// words [inputs x bits / 32, outputs] -> codes [outputs, inputs], each code minus 2^(bits - 1).
// The words of an output, top to bottom, are one little-endian stream of its inputs' codes.
// REQUIRES: 1 <= bits <= 8, inputs x bits a multiple of 32.
struct UnpackGptq {
  const std::uint8_t* words;  // little-endian u32, of any alignment
  std::int8_t* codes;
  std::int64_t inputs;
  std::int64_t outputs;
  int bits;
};

// One implementation; see ScanFp8Kernel.
struct UnpackGptqKernel {
  const char* name;
  bool (*supports)(const UnpackGptq&);
  void (*run)(const UnpackGptq&);
};

// Best first; the last is "ref", which supports everything.
std::span<const UnpackGptqKernel* const> unpack_gptq_kernels();

// Runs the first kernel that supports the problem.
void unpack_gptq(const UnpackGptq& problem);

}  // namespace requant::kernel
