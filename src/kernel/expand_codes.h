#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace requant::kernel {

enum class CodeForm : std::uint8_t {
  kNibbles,  // two codes a byte, the low one first; values by a table of 16
  kInt8,     // the codes themselves
  kBytes,    // values by a table of 256
  kF16,      // values as they are: no table, no scale
  kBF16,
};

// out[i] = value(codes[first + i]) x scale + addend, the product and the sum each rounded to F32 or
// rounded once; F16 and BF16 as they are.
struct ExpandCodes {
  const void* codes;
  std::size_t first;  // counts codes
  std::size_t count;
  CodeForm form;
  const float* table;
  float scale;
  float addend;
  float* out;
};

// One implementation; see ScanFp8Kernel.
struct ExpandCodesKernel {
  const char* name;
  bool (*supports)();
  void (*run)(const ExpandCodes&);
};

// Best first; the last is "ref".
std::span<const ExpandCodesKernel* const> expand_codes_kernels();

// The first that this machine supports.
const ExpandCodesKernel& expand_codes_kernel();

}  // namespace requant::kernel
