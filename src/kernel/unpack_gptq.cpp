#include "kernel/unpack_gptq.h"

#include <array>

namespace requant::kernel {

extern const UnpackGptqKernel k_unpack_gptq_avx2;
extern const UnpackGptqKernel k_unpack_gptq_ref;

namespace {

constexpr auto kKernels = std::to_array<const UnpackGptqKernel*>({
#ifdef REQUANT_KERNELS_AVX2
    &k_unpack_gptq_avx2,
#endif
    &k_unpack_gptq_ref,
});

}  // namespace

std::span<const UnpackGptqKernel* const> unpack_gptq_kernels() { return kKernels; }

void unpack_gptq(const UnpackGptq& problem) {
  for (const UnpackGptqKernel* kernel : kKernels) {
    if (kernel->supports(problem)) return kernel->run(problem);
  }
}

}  // namespace requant::kernel
