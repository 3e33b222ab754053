#include "kernel/scan_fp8.h"

#include <array>

namespace requant::kernel {

extern const ScanFp8Kernel k_scan_fp8_avx2;
extern const ScanFp8Kernel k_scan_fp8_ref;

namespace {

constexpr auto kKernels = std::to_array<const ScanFp8Kernel*>({
#ifdef REQUANT_KERNELS_X86
    &k_scan_fp8_avx2,
#endif
    &k_scan_fp8_ref,
});

}  // namespace

std::span<const ScanFp8Kernel* const> scan_fp8_kernels() { return kKernels; }

std::size_t scan_fp8(const ScanFp8& problem) {
  for (const ScanFp8Kernel* kernel : kKernels) {
    if (kernel->supports(problem)) return kernel->run(problem);
  }
  return k_scan_fp8_ref.run(problem);
}

}  // namespace requant::kernel
