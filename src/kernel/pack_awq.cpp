#include "kernel/pack_awq.h"

#include <array>

namespace requant::kernel {

extern const PackAwqKernel k_pack_awq_avx2;
extern const PackAwqKernel k_pack_awq_ref;

namespace {

constexpr auto kKernels = std::to_array<const PackAwqKernel*>({
#ifdef REQUANT_KERNELS_AVX2
    &k_pack_awq_avx2,
#endif
    &k_pack_awq_ref,
});

}  // namespace

std::span<const PackAwqKernel* const> pack_awq_kernels() { return kKernels; }

void pack_awq(const PackAwq& problem) {
  for (const PackAwqKernel* kernel : kKernels) {
    if (kernel->supports(problem)) return kernel->run(problem);
  }
}

}  // namespace requant::kernel
