#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace requant::kernel {

// Counts the codes that are NaN or infinite: 0x7F and 0xFF of e4m3fn; 0x7C to 0x7F and 0xFC to 0xFF
// of e5m2.
struct ScanFp8 {
  const std::uint8_t* codes;
  std::size_t count;
  bool e5m2;  // else e4m3fn
};

// One implementation. Plain pointers only: an ISA file must not instantiate anything that another
// file might link against (kernel/CMakeLists.txt).
struct ScanFp8Kernel {
  const char* name;                  // "avx2", "ref"
  bool (*supports)(const ScanFp8&);  // this machine and this problem
  std::size_t (*run)(const ScanFp8&);
};

// Best first; the last is "ref", which supports everything.
std::span<const ScanFp8Kernel* const> scan_fp8_kernels();

// Runs the first kernel that supports the problem.
std::size_t scan_fp8(const ScanFp8& problem);

}  // namespace requant::kernel
