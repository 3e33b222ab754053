#include "kernel/dense_row.h"

#include <array>

namespace requant::kernel {

extern const DenseRowKernel k_dense_row_avx2;
extern const DenseRowKernel k_dense_row_ref;

namespace {

constexpr auto kKernels = std::to_array<const DenseRowKernel*>({
#ifdef REQUANT_KERNELS_X86
    &k_dense_row_avx2,
#endif
    &k_dense_row_ref,
});

}  // namespace

std::span<const DenseRowKernel* const> dense_row_kernels() { return kKernels; }

void dense_row(const DenseRow& problem) {
  for (const DenseRowKernel* kernel : kKernels) {
    if (kernel->supports(problem)) return kernel->run(problem);
  }
}

}  // namespace requant::kernel
