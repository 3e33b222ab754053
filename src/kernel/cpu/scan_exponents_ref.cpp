#include <cstring>

#include "kernel/scan_exponents.h"

namespace requant::kernel {
namespace {

bool run(const ScanExponents& p) {
  const std::size_t words = p.bytes / 8;
  std::uint64_t found = 0;
  for (std::size_t i = 0; i < words; ++i) {
    std::uint64_t word = 0;
    std::memcpy(&word, p.data + i * 8, 8);
    found |= (word & p.exponent) + p.one;
  }
  std::uint64_t word = 0;
  std::memcpy(&word, p.data + words * 8, p.bytes % 8);
  found |= (word & p.exponent) + p.one;
  return (found & p.sign) != 0;
}

}  // namespace

extern const ScanExponentsKernel k_scan_exponents_ref;
const ScanExponentsKernel k_scan_exponents_ref = {"ref", [](const ScanExponents&) { return true; },
                                                  run};

}  // namespace requant::kernel
