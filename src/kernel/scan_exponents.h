#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace requant::kernel {

// Whether any float of a run is infinite or no number: its exponent is all ones (in e4m3fn, where
// the mantissa has to be too, exponent and mantissa), and adding one to it carries into the sign's
// place. Floats of any width that divides 64 bits, eight bytes at a time.
struct ScanExponents {
  const std::byte* data;
  std::size_t bytes;
  std::uint64_t exponent;  // mask, repeated over 64 bits
  std::uint64_t one;       // the mask's lowest bit, the same way
  std::uint64_t sign;      // the sign's place, the same way
};

// One implementation. Plain pointers only: an ISA file must not instantiate anything that another
// file might link against (kernel/CMakeLists.txt).
struct ScanExponentsKernel {
  const char* name;                        // "avx2", "ref"
  bool (*supports)(const ScanExponents&);  // this machine and this problem
  bool (*run)(const ScanExponents&);
};

// Best first; the last is "ref", which supports everything.
std::span<const ScanExponentsKernel* const> scan_exponents_kernels();

// Runs the first kernel that supports the problem.
bool scan_exponents(const ScanExponents& problem);

}  // namespace requant::kernel
