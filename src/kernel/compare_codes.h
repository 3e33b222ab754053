#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace requant::kernel {

// A row of values beside the codes that stand for them: code i is code x scale + minimum of its
// group in F64, the product rounded before the sum.
struct CompareCodes {
  const float* values;  // finite
  std::size_t count;    // whole groups
  const std::uint8_t* codes;
  bool is_signed;         // codes are I8
  const float* codebook;  // what codes, of 4 bits, are; nullptr: themselves
  std::size_t group;      // a multiple of 8
  const double* scales;   // a group, finite
  const double* minima;   // nullptr: none
};

// How far they are from each other. Kernels add a row to what is there.
struct CodeDifference {
  std::uint64_t elements = 0;  // that differ at all
  double max_absolute = 0;
  std::uint32_t max_ulp = 0;  // of the nearest F32
  float largest = 0;          // magnitude of the values
};

// One implementation; see ScanFp8Kernel.
struct CompareCodesKernel {
  const char* name;
  bool (*supports)();
  void (*run)(const CompareCodes&, CodeDifference&);
};

// Best first; the last is "ref".
std::span<const CompareCodesKernel* const> compare_codes_kernels();

// The first that this machine supports.
const CompareCodesKernel& compare_codes_kernel();

}  // namespace requant::kernel
