#pragma once

#include <cstdint>
#include <span>

#include "kernel/bits.h"

namespace requant::kernel {

// GPTQ's packing: the words of an output, top to bottom, are its inputs' codes in one of
// BitOrder's ways.
//
// words [inputs x bits / 32, outputs] -> codes [outputs, inputs], (field ^ flip) - bias as in
// UnpackBits.
// REQUIRES: kStream with inputs x bits a multiple of 32, or kPlanes with inputs a multiple of 32.
struct UnpackColumns {
  const std::uint8_t* words;  // little-endian u32, of any alignment
  std::uint8_t* codes;
  std::int64_t inputs;
  std::int64_t outputs;
  int bits;
  BitOrder order = BitOrder::kStream;
  int flip = 0;
  int bias = 0;
};

// And back.
struct PackColumns {
  const std::uint8_t* codes;
  std::uint8_t* words;
  std::int64_t inputs;
  std::int64_t outputs;
  int bits;
  BitOrder order = BitOrder::kStream;
  int flip = 0;
  int bias = 0;
};

// One implementation; see ScanFp8Kernel.
struct ColumnsKernel {
  const char* name;
  bool (*supports)();  // this machine
  void (*unpack)(const UnpackColumns&);
  bool (*pack)(const PackColumns&);  // true where no bits were dropped
};

// Best first; the last is "ref", which runs everywhere.
std::span<const ColumnsKernel* const> columns_kernels();

// Run the first kernel that this machine supports.
void unpack_columns(const UnpackColumns& problem);
[[nodiscard]] bool pack_columns(const PackColumns& problem);

}  // namespace requant::kernel
