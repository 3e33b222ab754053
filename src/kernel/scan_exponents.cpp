#include "kernel/scan_exponents.h"

#include <array>

namespace requant::kernel {

extern const ScanExponentsKernel k_scan_exponents_avx2;
extern const ScanExponentsKernel k_scan_exponents_ref;

namespace {

constexpr auto kKernels = std::to_array<const ScanExponentsKernel*>({
#ifdef REQUANT_KERNELS_X86
    &k_scan_exponents_avx2,
#endif
    &k_scan_exponents_ref,
});

}  // namespace

std::span<const ScanExponentsKernel* const> scan_exponents_kernels() { return kKernels; }

bool scan_exponents(const ScanExponents& problem) {
  for (const ScanExponentsKernel* kernel : kKernels) {
    if (kernel->supports(problem)) return kernel->run(problem);
  }
  return k_scan_exponents_ref.run(problem);
}

}  // namespace requant::kernel
