#pragma once

#include <cstddef>
#include <span>

namespace requant::kernel {

// out[t x out_stride + r] = the sum over k of weights[r x stride + k] x inputs[t x input_stride +
// k], for every row r and token t, in F32; the order of the sum is not said.
struct DotRows {
  const float* weights;
  std::size_t stride;
  std::size_t rows;
  const float* inputs;
  std::size_t input_stride;
  std::size_t tokens;
  std::size_t cols;
  float* out;
  std::size_t out_stride;
};

// One implementation; see ScanFp8Kernel.
struct DotRowsKernel {
  const char* name;
  bool (*supports)();
  void (*run)(const DotRows&);
};

// Best first; the last is "ref".
std::span<const DotRowsKernel* const> dot_rows_kernels();

// The first that this machine supports.
const DotRowsKernel& dot_rows_kernel();

}  // namespace requant::kernel
