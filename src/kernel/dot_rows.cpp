#include "kernel/dot_rows.h"

#include "kernel/first_supported.h"

namespace requant::kernel {

extern const DotRowsKernel k_dot_rows_avx2;
extern const DotRowsKernel k_dot_rows_ref;

namespace {

constexpr const DotRowsKernel* kKernels[] = {
#ifdef REQUANT_KERNELS_X86
    &k_dot_rows_avx2,
#endif
    &k_dot_rows_ref,
};

}  // namespace

std::span<const DotRowsKernel* const> dot_rows_kernels() { return kKernels; }

const DotRowsKernel& dot_rows_kernel() {
  static const DotRowsKernel& chosen = first_supported(kKernels);
  return chosen;
}

}  // namespace requant::kernel
