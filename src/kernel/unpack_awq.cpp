#include "kernel/unpack_awq.h"

#include <array>

namespace requant::kernel {

extern const UnpackAwqKernel k_unpack_awq_avx2;
extern const UnpackAwqKernel k_unpack_awq_ref;

namespace {

constexpr auto kKernels = std::to_array<const UnpackAwqKernel*>({
#ifdef REQUANT_KERNELS_AVX2
    &k_unpack_awq_avx2,
#endif
    &k_unpack_awq_ref,
});

}  // namespace

std::span<const UnpackAwqKernel* const> unpack_awq_kernels() { return kKernels; }

void unpack_awq(const UnpackAwq& problem) {
  for (const UnpackAwqKernel* kernel : kKernels) {
    if (kernel->supports(problem)) return kernel->run(problem);
  }
}

}  // namespace requant::kernel
