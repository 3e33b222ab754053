#include "kernel/transpose.h"

#include "kernel/first_supported.h"

namespace requant::kernel {

extern const TransposeKernel k_transpose_avx512;
extern const TransposeKernel k_transpose_avx2;
extern const TransposeKernel k_transpose_ref;

namespace {

constexpr const TransposeKernel* kKernels[] = {
#ifdef REQUANT_KERNELS_X86
    &k_transpose_avx512,
    &k_transpose_avx2,
#endif
    &k_transpose_ref,
};

}  // namespace

std::span<const TransposeKernel* const> transpose_kernels() { return kKernels; }

void transpose(const Transpose& problem) { first_supported(kKernels).run(problem); }

}  // namespace requant::kernel
