#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tensor/dtype.h"

namespace requant::kernel {

enum class DenseCode : std::uint8_t { kInt8, kE4M3Fn, kE5M2 };

// out[i] = (codes[i] - zero) x scale, the exact product rounded once to F32, BF16 or F16. Only
// integer codes have a zero other than 0. A NaN gives some NaN.
struct DenseRow {
  const std::uint8_t* codes;
  std::size_t count;
  DenseCode code;
  float scale;
  int zero;
  DType dtype;
  void* out;
};

// One implementation; see ScanFp8Kernel.
struct DenseRowKernel {
  const char* name;
  bool (*supports)(const DenseRow&);
  void (*run)(const DenseRow&);
};

// Best first; the last is "ref", which supports everything.
std::span<const DenseRowKernel* const> dense_row_kernels();

// Runs the first kernel that supports the problem.
void dense_row(const DenseRow& problem);

}  // namespace requant::kernel
