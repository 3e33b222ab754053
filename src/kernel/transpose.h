#pragma once

#include <cstdint>
#include <span>

namespace requant::kernel {

// [rows, cols] -> [cols, rows], elements of `width` bytes: 1, 2 or 4.
struct Transpose {
  const std::uint8_t* from;
  std::uint8_t* to;
  std::int64_t rows;
  std::int64_t cols;
  int width;
  // Given, nothing is written: it becomes true where `to` holds something else.
  bool* differs = nullptr;
};

// One implementation; see ScanFp8Kernel.
struct TransposeKernel {
  const char* name;
  bool (*supports)();  // this machine
  void (*run)(const Transpose&);
};

// Best first; the last is "ref", which runs everywhere.
std::span<const TransposeKernel* const> transpose_kernels();

// Runs the first kernel that this machine supports.
void transpose(const Transpose& problem);

}  // namespace requant::kernel
